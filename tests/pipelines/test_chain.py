"""What a scheduled build shows, and the training that its new set starts."""

import json
import os
import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from bench.prefect_site import RECIPE, Site, until
from data.runs import hold
from data.shards import read_index
from data.store import Store
from pipelines.orchestration.serving import ZOMBIES

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

BRIEF = replace(RECIPE, shards=replace(RECIPE.shards, parts=2, count=2, attempts=100))


@pytest.fixture(scope="module")
def built(site, prepared, tmp_path_factory) -> tuple[Path, dict]:
    """The folder of a scheduled build, and the run as the server shows it."""
    folder = Path(shutil.copytree(prepared, tmp_path_factory.mktemp("built") / "run"))
    return folder, site.ended(site.run("shards", {"recipe": asdict(BRIEF), "run": str(folder)}))


def trainings(site: Site, folder: Path) -> list[dict]:
    return [run for run in site.runs("on-new-shards") if run["parameters"]["run"] == str(folder)]


def test_a_build_is_named_after_its_data_and_model_and_shows_what_it_made(site, built):
    _, run = built

    wanted = {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}}
    shown = {artifact["key"]: artifact for artifact in site.api("artifacts/filter", wanted)}

    assert run["state"]["type"] == "COMPLETED", run["state"]["message"]
    assert re.fullmatch(r"digits-round-0-model-[0-9a-f]{8}", run["name"])
    assert set(shown) == {"run-shards", "run-funnel", "run-hardest"}
    assert shown["run-shards"]["data"] == 100
    assert shown["run-hardest"]["data"].startswith("data:image/png;base64,")
    funnel = json.loads(shown["run-funnel"]["data"])
    assert {row["search"]: row["attempted"] for row in funnel} == dict.fromkeys(BRIEF.search.mix, 50)


def test_a_new_set_starts_a_training_that_is_told_which_set_it_is(site, built):
    folder, _ = built

    until(lambda: trainings(site, folder), "a training is started")
    ended = site.ended(trainings(site, folder)[0]["id"])

    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    assert ended["created_by"]["type"] == "AUTOMATION"
    assert ended["parameters"]["manifest"] == f"{folder}/shards/index.json"
    assert ended["parameters"]["digest"] == read_index(Store(str(folder / "shards"))).facts["digest"]
    assert (folder / "arms/ours-0.safetensors").is_file()


def test_a_build_with_nothing_to_do_says_so_and_starts_nothing(site, built):
    folder, _ = built
    given = {"recipe": asdict(BRIEF), "run": str(folder)}
    site.ended(trainings(site, folder)[0]["id"])  # which writes to the folder
    site.ended(site.run("shards", given))

    again = site.ended(site.run("shards", given))

    assert again["state"]["message"] == f"nothing to do: {folder} is as the last run left it"
    assert len(trainings(site, folder)) == 1


def test_what_is_set_up_twice_is_there_once(site, built):
    site.deploy("--name", "shards")

    automations = [found for found in site.api("automations/filter", {}) if found["name"] == ZOMBIES]

    assert [found["trigger"]["posture"] for found in automations] == ["Proactive"]
    assert [found["enabled"] for found in automations] == [True]


def test_a_training_told_of_another_set_fails_and_is_not_tried_again(site, built):
    folder, _ = built
    told = {"manifest": f"{folder}/shards/index.json", "digest": "0" * 64}

    refused = site.ended(site.run("on-new-shards", {"recipe": asdict(BRIEF), "run": str(folder), **told}))

    assert refused["state"]["type"] == "FAILED"
    assert "as announced: the set was made anew since" in refused["state"]["message"]


def test_a_run_on_a_folder_in_use_is_cancelled_with_the_reason(site, built):
    folder, _ = built
    given = {"recipe": asdict(replace(BRIEF, seed=1)), "run": str(folder)}

    with hold(folder):
        refused = site.ended(site.run("shards", given))

    assert refused["state"]["type"] == "CANCELLED"
    assert f"{folder} is in use by process {os.getpid()}" in refused["state"]["message"]
