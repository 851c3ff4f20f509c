"""What would stop a run is told before one is started, with what mends it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import prefect
import pytest
from prefect.settings import PREFECT_API_URL, temporary_settings

from data.errors import WrongUse
from data.store import CLAIM, Store
from pipelines.cli import main
from pipelines.orchestration.checkup import checks_of_prefect
from pipelines.recipes import DEFAULT, overridden
from pipelines.training.checkup import _packages, _store, checks_of


def states(recipe, folder) -> dict[str, str]:
    return {check.of: check.state for check in checks_of(recipe, folder)}


def test_a_whole_installation_is_well(workplace, capsys):
    assert main(["doctor", "digits"]) == 0

    said = capsys.readouterr().out
    assert "nothing would stop a run" in said
    assert not list(workplace.iterdir())


def test_what_would_stop_a_run_is_told_to_a_script_with_exit_code_1(workplace, capsys):
    assert main(["doctor", "own", "--source.path", "nowhere", "--json"]) == 1

    found = json.loads(capsys.readouterr().out)
    (wrong,) = (check for check in found["checks"] if check["state"] == "wrong")
    assert not found["well"]
    assert wrong["of"] == "source"
    assert "nowhere holds no .png" in wrong["said"]
    assert "hardshard init" in wrong["mend"]


def test_a_wrong_option_is_a_finding(workplace, capsys):
    assert main(["doctor", "digits", "--search.steps", "0"]) == 1
    assert "search.steps must be >= 1, got 0" in capsys.readouterr().out


def test_a_package_that_is_missing_or_too_old_is_named_with_what_installs_it():
    found = list(_packages(["numpy>=2", "numpy>=99", "no-such-package<3", "left-out; extra == 'dev'"]))

    assert [check.state for check in found] == ["wrong", "wrong"]
    assert "but numpy>=99 is needed" in found[0].said
    assert found[1].mend == "pip install 'no-such-package<3'"


@pytest.mark.parametrize(
    ("file", "state"), [("data/__init__.py", "mind"), ("pipelines.py", "mind"), ("data/a.png", "fine")]
)
def test_a_folder_that_hides_our_packages_from_a_worker_is_named(file, state, workplace):
    (workplace / file).parent.mkdir(exist_ok=True)
    (workplace / file).touch()

    found = next(check for check in checks_of(DEFAULT, workplace / "run") if check.of == "this folder")

    assert found.state == state
    assert (file in found.said, "PYTHONSAFEPATH=1" in found.mend) == (state == "mind",) * 2


def test_a_device_that_is_not_there_is_wrong(workplace):
    recipe = overridden(DEFAULT, {"training.device": "cuda:99"})

    assert states(recipe, workplace / "run")["torch"] == "wrong"


def test_a_folder_of_another_recipe_is_wrong(workplace):
    (workplace / "run.json").write_text('{"recipe": "boundary"}')

    assert states(DEFAULT, workplace)["run folder"] == "wrong"


def test_a_store_is_tried_and_left_as_it_was(tmp_path):
    assert _store(str(tmp_path / "set")).state == "fine"
    assert not list((tmp_path / "set").iterdir())

    Store(str(tmp_path / "set")).write(CLAIM, b"somebody (process 1 on host)")
    assert "claimed by somebody" in _store(str(tmp_path / "set")).said


def test_a_store_that_gives_back_something_else_is_wrong(tmp_path, monkeypatch):
    monkeypatch.setattr(Store, "read", lambda *_: b"something else")

    with pytest.raises(WrongUse, match="is not what is read"):
        _store(str(tmp_path / "set"))


class Server(BaseHTTPRequestHandler):
    """Answers as Prefect's does, but of another version."""

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'"3.0.0"' if self.path.endswith("version") else b"true")

    def log_message(self, *_):
        pass


def test_a_server_that_is_not_there_is_wrong_and_one_of_another_version_to_be_minded(monkeypatch):
    monkeypatch.setattr("pipelines.orchestration.checkup._of_pool", lambda: None)
    server = HTTPServer(("127.0.0.1", 0), Server)
    url = f"http://127.0.0.1:{server.server_port}/api"
    threading.Thread(target=server.serve_forever, daemon=True).start()

    with temporary_settings({PREFECT_API_URL: url}):
        other, _ = checks_of_prefect()
        server.shutdown()
        server.server_close()
        (gone,) = checks_of_prefect()

    assert (other.state, other.said) == ("mind", f"{prefect.__version__}, server 3.0.0 at {url}")
    assert gone.state == "wrong"
    assert gone.mend.startswith("start `hardshard server`")
