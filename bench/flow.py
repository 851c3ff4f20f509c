"""What orchestration costs: the same stages by plain calls, by a flow with a server up, by a flow without one.

    python -m bench.flow --out bench/out/flow.json

Stages that wait, so that nothing but orchestration is measured: 16 of 4 s for the cost, 266 for a million samples (128
drafts, 128 shards, ten others), 10 and 1,000 for the memory. Each measurement is a process of its own.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.prefect_site import ROOT, Site, until

SIDE_BY_SIDE = 2
MILLION = 266
"""Stages of a build of a million samples in shards of 7,800."""


def stage(run: object, number: int, seconds: float) -> None:
    """One stage as the run's folder sees it."""
    run.stage(f"shards/{number}", {"number": number}, [], lambda: (time.sleep(seconds), ({}, seconds))[1])


def plain(folder: Path, count: int, seconds: float) -> None:
    """By plain calls."""
    from data.runs import hold, open_run

    with hold(folder), ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        run = open_run(folder, "digits")
        list(pool.map(lambda number: stage(run, number, seconds), range(count)))


def orchestrated(folder: Path, count: int, seconds: float) -> None:
    """As the flows do it: a task a stage, all asked for at once, on the flow's own threads."""
    from prefect.task_runners import ThreadPoolTaskRunner

    from data.runs import open_run
    from pipelines.orchestration.flows import run_flow
    from pipelines.orchestration.tasks import stage_task
    from pipelines.recipes import DEFAULT, FromPreset

    work = stage_task("stage-{number}")(stage)

    def build(recipe: FromPreset = DEFAULT, run: Path = folder) -> None:
        opened = open_run(run, recipe.name)
        for future in [work.submit(opened, number, seconds) for number in range(count)]:
            future.result()

    run_flow(build).with_options(task_runner=ThreadPoolTaskRunner(SIDE_BY_SIDE))(DEFAULT, folder)


def child(way: str, folder: Path, count: int, seconds: float) -> None:
    """One measurement, in this process; imports are counted in neither way, the server's start is."""
    import pipelines.build_shards  # noqa: F401

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began, cpu = time.monotonic(), time.process_time()
    {"plain": plain, "flow": orchestrated}[way](folder, count, seconds)
    took, cpu = time.monotonic() - began, time.process_time() - cpu
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(json.dumps({"seconds": round(took, 2), "cpu seconds": round(cpu, 2), "grown, MB": round(grown / 1024, 1)}))


def measured(way: str, count: int, seconds: float, environment: dict[str, str]) -> dict[str, float]:
    """A measurement in a fresh process and a fresh folder."""
    with tempfile.TemporaryDirectory() as scratch:
        given = [way, str(Path(scratch) / "run"), str(count), str(seconds)]
        command = [sys.executable, "-m", "bench.flow", "--child", *given]
        done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def recorded_after(site: Site, tasks: int) -> float:
    """Seconds from now until the server has recorded that all task runs of the site are completed."""
    began, wanted = time.monotonic(), {"task_runs": {"state": {"type": {"any_": ["COMPLETED"]}}}}
    until(lambda: (site.api("task_runs/count", wanted) or 0) >= tasks, "all task runs are recorded")
    return round(time.monotonic() - began, 1)


def figures(home: Path) -> dict[str, object]:
    """All measurements, one after the other."""
    site, alone = Site(home), {name: value for name, value in os.environ.items() if name != "PREFECT_API_URL"}
    alone |= {"PREFECT_HOME": str(home / "alone"), "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "600"}
    found: dict[str, object] = {"16 stages of 4 s, plain": (base := measured("plain", 16, 4, alone))}
    found["16 stages of 4 s, first flow without a server"] = measured("flow", 16, 4, alone)
    found["16 stages of 4 s, flow without a server"] = lone = measured("flow", 16, 4, alone)
    site.start("server")
    try:
        found["16 stages of 4 s, flow with a server"] = served = measured("flow", 16, 4, site.environment)
        found["a million samples"] = {"task runs": MILLION, **measured("flow", MILLION, 0.1, site.environment)}
        found["recorded after, s"] = recorded_after(site, 16 + MILLION)
        found["10 stages"], found["1000 stages"] = (measured("flow", n, 0.01, site.environment) for n in (10, 1000))
    finally:
        site.stop()
    cost = {name: round(one["seconds"] - base["seconds"], 2) for name, one in (("served", served), ("alone", lone))}
    allowed = {"served": round(0.05 * base["seconds"] + 3, 2), "alone": 15.0}
    return {**found, "cost, s": cost, "allowed, s": allowed, "load": [round(load, 1) for load in os.getloadavg()]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--child", nargs=4, metavar=("WAY", "FOLDER", "COUNT", "SECONDS"))
    parser.add_argument("--out", type=Path)
    known = parser.parse_args()
    if known.child:
        way, folder, count, seconds = known.child
        return child(way, Path(folder), int(count), float(seconds))
    with tempfile.TemporaryDirectory() as scratch:
        found = figures(Path(scratch))
    print(json.dumps(found, indent=1))
    if known.out:
        known.out.parent.mkdir(parents=True, exist_ok=True)
        known.out.write_text(json.dumps(found, indent=1) + "\n")
    return None


if __name__ == "__main__":
    main()
