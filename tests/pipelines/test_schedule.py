"""A schedule whose runs take longer than its interval; fails with sqlalchemy >= 2.1, which creates no scheduled run."""

import pytest

from bench.prefect_site import Site
from bench.schedule import figures

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def test_runs_that_outlast_their_interval_complete_and_never_overlap(tmp_path):
    (tmp_path / "prefect").mkdir()
    site = Site(tmp_path / "prefect")
    try:
        found = figures(site, tmp_path / "run", interval=5, seconds=8, minutes=1, least=2)
    finally:
        site.stop()

    assert found["completed"] >= 2
    assert found["overlapping"] == 0
    assert found["others"] == {}
    assert found["reasons"] == ["Deployment concurrency limit reached."]
