"""The plan against what a run does; work is replaced by files that hold a digest of what they depend on."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from data.files import canonical_json, digest_of, write_atomically
from data.runs import Facts, Run, open_run
from data.sources import Side
from pipelines.recipes import DEFAULT, Recipe
from pipelines.training import planning
from pipelines.training.pages.planned import GUESSED, show_plan
from pipelines.training.planning import plan_of

SMALL = replace(DEFAULT, shards=replace(DEFAULT.shards, count=3, parts=2, attempts=100))
PROBED = {
    "searches": {name: {"tried": [50] * 10, "kept": [20] * 10, "seconds": 0.01} for name in SMALL.search.mix},
    "setup": 1.0,
    "spent": 20.0,
    "bytes": 1000.0,
    "row_bytes": 100.0,
    "balance": "even",
    "shares": [0.1] * 10,
    "have": [0.0] * 10,
}


class Doing:
    """Stands where the plan stands, and does: the run itself, all of whose stages are known once they are done."""

    def __init__(self, folder: Path) -> None:
        self.run = open_run(folder, DEFAULT.name)

    def is_known(self, _: str) -> bool:
        return True


@pytest.fixture
def did(monkeypatch) -> list[str]:
    """Stages that were really done, in order."""
    done: list[str] = []
    stage = Run.stage

    def faked(run, name, depends, outputs, work, takes_away=(), **more):
        def write() -> tuple[Facts, float]:
            done.append(name)
            for file in takes_away:
                run.path(file).unlink(missing_ok=True)
            facts = facts_of(run, name, depends)
            for file in outputs(facts) if callable(outputs) else outputs:
                write_atomically(run.path(file), digest_of({"file": file, **depends}).encode())
            return facts, 1.0

        return stage(run, name, depends, outputs, write, takes_away, **more)

    monkeypatch.setattr(Run, "stage", faked)
    return done


def facts_of(run: Run, stage: str, depends: Facts) -> Facts:
    """What a stage might have measured: other figures wherever it depends on other things."""
    kind, digest = stage.rpartition("/")[2].rstrip("0123456789"), digest_of(depends)
    if kind == "draft-":
        return {"tar": "t", "manifest": "m", "samples": int(digest[:4], 16), "attempted": 20}
    if kind == "shard-":
        return {"tar": f"{depends['number']}.tar", "samples": 5, "bytes": 9, "sha256": digest, "sidecars": {}}
    if kind == "round-model-":
        return {"archive": [], "attack_success": 0.5}
    if stage == "shards":
        drafts = [json.loads(path.read_bytes()) for path in run.path("stages/shards").glob("draft-*.json")]
        return {"samples": sum(draft["facts"]["samples"] for draft in drafts), "files": []}
    known = {
        "source": {"division": "d"},
        "unlabelled": {"division": "u"},
        "thresholds": {"chosen": {"agreement": {"threshold": 0.5}}},
        "probe": PROBED,
    }
    return known.get(stage, {"samples": 20, "files": []})


def run_all(recipe: Recipe, folder: Path, command="run", seeds=1) -> None:
    doing = Doing(folder)
    for ask in planning._flows(recipe, command, seeds).values():
        ask(recipe, doing)


def todo(recipe: Recipe, folder: Path, **how) -> list[str]:
    return [stage.name for stage in plan_of(recipe, folder, **how).todo]


def why(recipe: Recipe, folder: Path) -> dict[str, tuple[str, ...]]:
    return {stage.name: stage.why for stage in plan_of(recipe, folder).todo}


def unlink(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def damage(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_bytes(b"x" * 64)  # as many bytes as before


def nothing(_: Path) -> None:
    pass


DRAWING = replace(SMALL.search, mix={"mixup": 0.5, "unlabelled": 0.5})
DRAWING_ROUNDS = replace(SMALL.rounds, count=2, search=DRAWING, checks={"agreement": 0.5})
BESIDE = replace(SMALL.source, unlabelled=Side("rendered_digits"))
SITUATIONS = [
    (nothing, SMALL),
    (unlink("model.safetensors"), SMALL),
    (unlink("shards/1.tar"), SMALL),
    (damage("generator.safetensors"), SMALL),
    (damage("drafts/shards/train-000001.tar"), SMALL),
    (unlink("shards/0.tar"), replace(SMALL, training=replace(SMALL.training, steps=9))),
    (nothing, replace(SMALL, search=replace(SMALL.search, steps=41))),
    (nothing, replace(SMALL, shards=replace(SMALL.shards, softness=2.0))),
    (nothing, replace(SMALL, shards=replace(SMALL.shards, count=4))),
    (nothing, replace(SMALL, evaluation=replace(SMALL.evaluation, samples=10))),
    (nothing, replace(SMALL, judges=replace(SMALL.judges, folds=4))),
    (nothing, replace(SMALL, checks={**SMALL.checks, "realism": 0.1})),
    (nothing, replace(SMALL, seed=1)),
    (nothing, replace(SMALL, budget=replace(SMALL.budget, accepted=500))),
    (nothing, replace(SMALL, rounds=replace(SMALL.rounds, count=3))),
    (nothing, replace(SMALL, search=DRAWING)),
    (nothing, replace(SMALL, search=DRAWING, source=BESIDE, rounds=replace(SMALL.rounds, count=2))),
    (nothing, replace(SMALL, checks={"realism": 0.1}, source=BESIDE, rounds=DRAWING_ROUNDS)),
]


@pytest.mark.parametrize(("happens", "recipe"), SITUATIONS)
def test_what_is_planned_is_what_is_done(happens, recipe, tmp_path, did):
    run_all(SMALL, tmp_path)
    happens(tmp_path)
    did.clear()

    planned = todo(recipe, tmp_path)
    assert did == []
    run_all(recipe, tmp_path)

    assert planned == did


def test_unlabelled_samples_are_an_arm_where_the_shards_draw_on_them(tmp_path):
    more = set(todo(replace(SMALL, search=DRAWING), tmp_path)) - set(todo(SMALL, tmp_path))

    set_ = "controls/unlabelled"
    assert more == {f"{set_}/draft-0", f"{set_}/shard-0", set_, "arm-unlabelled-0", "accuracy-unlabelled-0"}


def test_another_source_beside_makes_the_drafts_anew_and_no_network(tmp_path, did):
    run_all(replace(SMALL, search=DRAWING), tmp_path)

    again = todo(replace(SMALL, search=DRAWING, source=BESIDE), tmp_path)

    assert {"unlabelled", "shards/draft-0", "controls/unlabelled/draft-0"} <= set(again)
    assert not {"source", "model", "generator", "judge-0", "thresholds"} & set(again)


def test_a_fresh_run_does_everything_and_a_finished_one_nothing(tmp_path, did):
    fresh = todo(SMALL, tmp_path, seeds=2)
    run_all(SMALL, tmp_path, seeds=2)

    assert fresh == did
    assert todo(SMALL, tmp_path, seeds=2) == []


def test_a_budget_that_is_probed_already_is_planned_by_the_probe(tmp_path, did):
    budgeted = replace(SMALL, budget=replace(SMALL.budget, accepted=500))
    run_all(budgeted, tmp_path)
    did.clear()
    more = replace(SMALL, budget=replace(SMALL.budget, accepted=600))

    planned = plan_of(more, tmp_path)
    run_all(more, tmp_path)

    assert [stage.name for stage in planned.todo] == did
    assert "probe" not in did
    assert sum(planned.forecast.accepted.values()) == pytest.approx(600, abs=20)
    assert planned.forecast.disk == pytest.approx(2 * (600 * 1000 + 1500 * 100), rel=0.05)


def test_it_says_which_option_changed_and_from_what_to_what(tmp_path, did):
    run_all(SMALL, tmp_path)

    changed = why(replace(SMALL, search=replace(SMALL.search, steps=41), seed=7), tmp_path)

    assert set(changed["thresholds"][:2]) == {"seed 0 -> 7", "search.steps 40 -> 41"}  # before what follows from it
    assert "model is made anew" in changed["shards/draft-0"]
    assert "shards/draft-1 is made anew" in changed["shards/shard-2"]


def test_it_says_what_is_missing_and_what_was_altered(tmp_path, did):
    run_all(SMALL, tmp_path)
    unlink("model.safetensors")(tmp_path)
    damage("judge-1.safetensors")(tmp_path)

    assert why(SMALL, tmp_path) == {
        "model": ("model.safetensors is missing",),
        "judge-1": ("judge-1.safetensors is not as it was left",),
    }


def test_a_file_that_was_only_touched_is_still_good(tmp_path, did):
    run_all(SMALL, tmp_path)
    content = (tmp_path / "model.safetensors").read_bytes()
    (tmp_path / "model.safetensors").write_bytes(content)

    assert todo(SMALL, tmp_path) == []


def times(recipe: Recipe, folder: Path, **how) -> dict[str, tuple[float | None, bool]]:
    plan = plan_of(recipe, folder, **how)
    return {stage.name: (plan.seconds_of(stage), plan.is_guessed(stage)) for stage in plan.todo}


def test_a_time_grows_with_the_steps_of_training_and_is_called_a_guess(tmp_path, did):
    run_all(SMALL, tmp_path)  # each took a second

    longer = replace(SMALL, training=replace(SMALL.training, steps=3 * SMALL.training.steps))
    found = times(longer, tmp_path, seeds=2)

    assert found["model"] == found["arm-ours-0"] == (3.0, True)
    assert found["arm-ours-1"] == (3.0, True)  # never done: as others of its kind
    assert found["shards/draft-0"] == found["accuracy-ours-0"] == (1.0, False)


def test_a_time_by_a_record_of_other_options_is_called_a_guess(tmp_path, did):
    run_all(SMALL, tmp_path)

    found = times(replace(SMALL, shards=replace(SMALL.shards, attempts=9000)), tmp_path)

    assert found["shards/draft-0"] == (1.0, True)


def test_a_time_by_a_record_of_the_same_work_is_no_guess(tmp_path, did, monkeypatch):
    run_all(SMALL, tmp_path)
    unlink("model.safetensors")(tmp_path)

    assert set(times(SMALL, tmp_path).values()) == {(1.0, False)}
    monkeypatch.setattr("pipelines.training.stages.version", lambda _: "9.9.9")
    assert not any(guessed for _, guessed in times(replace(SMALL, seed=1), tmp_path).values())


def test_other_samples_make_every_time_that_hangs_on_them_a_guess(tmp_path, did):
    run_all(SMALL, tmp_path)

    found = times(replace(SMALL, source=replace(SMALL.source, drawn=2)), tmp_path)

    assert found["source"] == found["model"] == (1.0, True)


def test_the_table_marks_guesses_and_says_what_the_mark_means(tmp_path, did, capsys):
    run_all(SMALL, tmp_path)
    longer = replace(SMALL, training=replace(SMALL.training, steps=3 * SMALL.training.steps))

    show_plan(plan_of(longer, tmp_path), "plan")
    told = capsys.readouterr().out
    show_plan(plan_of(replace(SMALL, seed=1), tmp_path), "plan")

    assert "model, ~3 s: training.steps 1000 -> 3000" in told
    assert "fidelity, 1 s" not in told  # it stays as it is
    assert GUESSED in told
    assert "~" not in capsys.readouterr().out


def test_another_version_is_a_reason(tmp_path, did, monkeypatch):
    run_all(SMALL, tmp_path)
    monkeypatch.setattr("pipelines.training.stages.version", lambda _: "9.9.9")

    assert why(SMALL, tmp_path)["model"][0].startswith("version of hardshard 0.")


def test_the_torch_of_a_key_is_the_torch_that_works():
    import torch

    from pipelines.training.stages import torch_build

    assert torch_build() == torch.__version__


def test_a_record_of_an_older_version_is_no_obstacle(tmp_path, did):
    run_all(SMALL, tmp_path)
    path = tmp_path / "stages/model.json"
    record = json.loads(path.read_bytes())
    path.write_bytes(canonical_json({name: record[name] for name in record if name not in ("depends", "seen")}))

    assert todo(SMALL, tmp_path) == []
    assert "its record, of an older version" in why(replace(SMALL, seed=1), tmp_path)["model"][0]


ALONE = """
import resource, sys
from pipelines.cli import main
code = main(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_SELF)
print(code, "torch" in sys.modules, "prefect" in sys.modules, used.ru_utime + used.ru_stime, file=sys.stderr)
"""


def planned_alone(*arguments: str) -> tuple[str, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", ALONE, "plan", *arguments], capture_output=True, text=True, check=True, timeout=300
    )
    return done.stdout, done.stderr.split()[-4:]


def test_the_command_needs_no_torch_and_seconds_at_most_for_a_thousand_shards(tmp_path, did):
    many = replace(SMALL, shards=replace(SMALL.shards, count=1000, parts=50))
    run_all(many, tmp_path, "build")
    options = ["--run", str(tmp_path), "--shards.count", "1000", "--shards.parts", "50", "--shards.attempts", "100"]

    out, (code, torch, prefect, seconds) = planned_alone("digits", *options, "--to", "build")

    assert (code, torch, prefect) == ("0", "False", "False")
    assert "nothing to do" in out
    assert float(seconds) < 3  # of processor time; 0.9 where it was measured, and others on the machine slow it too


def test_the_command_prints_json(tmp_path, did):
    run_all(SMALL, tmp_path)
    sizes = ["--shards.count", "3", "--shards.parts", "2", "--shards.attempts", "100"]

    out, _ = planned_alone("digits", "--run", str(tmp_path), *sizes, "--search.steps", "41", "--json")

    found = json.loads(out)
    assert "shards/draft-0" in found["todo"]
    assert {"flow", "name", "why", "done", "seconds", "guessed"} == set(found["stages"][0])
    assert found["seconds"] == len(found["todo"])  # each took a second


def test_a_folder_of_another_recipe_is_refused_and_none_is_made(tmp_path):
    (tmp_path / "run.json").write_text('{"recipe": "boundary"}')

    with pytest.raises(Exception, match="belongs to recipe 'boundary', not 'digits'"):
        plan_of(SMALL, tmp_path)
    plan_of(SMALL, tmp_path / "new")

    assert not (tmp_path / "new").exists()
