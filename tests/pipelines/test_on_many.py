"""One run made by two hosts that share a store alone: the bytes of one machine, and no waiting for a straggler."""

import json
import os
import signal
import subprocess
from dataclasses import replace

import pytest

from bench.two_hosts import IP, given, hosts, recipe_of, together
from data.errors import WrongUse
from pipelines.build_on_many import build_on_many
from pipelines.recipes import DEFAULT
from pipelines.training.operations import OperationOptions


def may_have_networks() -> bool:
    """Whether namespaces can be made here, which takes root."""
    if os.geteuid() != 0:
        return False
    made = subprocess.run([IP, "netns", "add", "hs-try"], capture_output=True, check=False).returncode == 0
    return made and subprocess.run([IP, "netns", "del", "hs-try"], capture_output=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hosts_make_the_bytes_of_one_and_none_waits_for_one_that_stands_still(tmp_path):
    if not may_have_networks():
        pytest.skip("no network namespace can be made")

    recipe = recipe_of(0, parts=6, attempts=100)

    with hosts(tmp_path) as (site, (joins, helps)):
        part = site.ended(site.run("range", given(helps, recipe, first=0, last=1)))
        os.killpg(helps.process.pid, signal.SIGSTOP)
        found = together(site, [joins, helps], recipe, tmp_path)
        records = [host.path("run-0/stages/shards/draft-1.json").read_bytes() for host in (helps, joins)]

    assert part["state"]["type"] == "COMPLETED", part["state"]["message"]
    assert found["same bytes"]
    assert json.loads(records[0])["seconds"] == json.loads(records[1])["seconds"]
    assert set(found["ranges"]) <= {"COMPLETED", "CANCELLED", "CANCELLING"}
    assert found["ranges"].count("COMPLETED") == 1


def test_a_recipe_that_names_no_place_to_meet_is_refused(tmp_path):
    with pytest.raises(WrongUse, match=r"many machines need operations\.exchange"):
        build_on_many.fn(DEFAULT, tmp_path / "run")


def test_many_machines_without_a_server_between_them_are_refused(tmp_path):
    recipe = replace(DEFAULT, operations=OperationOptions(exchange=str(tmp_path / "exchange")))

    with pytest.raises(WrongUse, match="many machines need one server"):
        build_on_many.fn(recipe, tmp_path / "run")
