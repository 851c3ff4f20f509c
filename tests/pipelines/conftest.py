"""A run that wants nothing but its shards, and a real server with a worker, for the tests that kill them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.prefect_site import RECIPE, Site
from data.runs import open_run
from pipelines.training import stages


@pytest.fixture(scope="session")
def prepared(tmp_path_factory) -> Path:
    """A run that wants nothing but its shards."""
    folder = tmp_path_factory.mktemp("prepared") / "run"
    run = open_run(folder, RECIPE.name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipelines.training.stages.in_worker", lambda work, *given: (work(*given), 0.0))
        for stage in (stages.source, stages.model, stages.gan, stages.examiner):
            stage(RECIPE, run)
        for fold in range(RECIPE.judges.folds):
            stages.judge(RECIPE, run, fold)
    return folder


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Iterator[Site]:
    made = Site(tmp_path_factory.mktemp("prefect"))
    try:
        made.start("server")
        made.deploy("--name", "shards", "--name", "on-new-shards")
        made.start("worker")
        yield made
    finally:
        made.stop()
