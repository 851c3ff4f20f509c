"""Plan, probe and budget in a run with real training, as short as can be."""

from pathlib import Path

import pytest

from data.files import sha256_of
from data.runs import Run
from data.shards import open_set
from data.store import Store
from pipelines.augment import build
from pipelines.probe import probe
from pipelines.recipes import Recipe, overridden, preset
from pipelines.training.pages.bought import bought
from pipelines.training.planning import plan_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

SMALL = {
    "training.steps": "30",
    "judges.fit.steps": "30",
    "generator.steps": "30",
    "checks.agreement": "0.05",
    "checks.margin_band": "5",
    "budget.probe": "100",
    "budget.accepted": "200",
}


def recipe(**changes: str) -> Recipe:
    return overridden(
        preset("digits_quick"), SMALL | {name.replace("__", "."): value for name, value in changes.items()}
    )


def done_in(folder: Path, before: dict[Path, int]) -> set[str]:
    """Stages whose record was written since."""
    return {
        str(path.relative_to(folder / "stages").with_suffix(""))
        for path, written in records(folder).items()
        if before.get(path) != written
    }


def records(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in (folder / "stages").rglob("*.json")}


def tars(folder: Path) -> list[str]:
    return [sha256_of(path) for path in sorted((folder / "shards").glob("*.tar"))]


def planned(given: Recipe, folder: Path, command="build") -> set[str]:
    return {stage.name for stage in plan_of(given, folder, command).todo}


def test_flows_do_what_is_planned_and_a_budget_buys_what_is_forecast(tmp_path):
    folder, given = tmp_path / "run", recipe()

    # a probe, then the rest: from a fresh folder
    expected = planned(given, folder, "probe")
    probe(given, folder)
    assert done_in(folder, {}) == expected
    forecast = plan_of(given, folder, "build").forecast
    before, expected = records(folder), planned(given, folder)
    build(given, folder)
    assert done_in(folder, before) == expected
    assert planned(given, folder) == set()

    # what was bought
    kept = open_set(Store(str(folder / "shards"))).facts["samples"]
    told = bought(given, Run(folder))
    assert told["got"]["accepted"] == kept
    assert told["forecast"]["accepted"] == round(sum(forecast.accepted.values()))
    assert kept == pytest.approx(200, rel=0.3)

    # a file deleted, another damaged, an option changed
    made = tars(folder)
    (folder / "judge-0.safetensors").unlink()
    (folder / "shards/train-000001.tar").write_bytes(b"damage")
    for changed in (given, recipe(budget__accepted="150")):
        before, expected = records(folder), planned(changed, folder)
        build(changed, folder)
        assert done_in(folder, before) == expected
        assert (tars(folder) == made) == (changed == given)
