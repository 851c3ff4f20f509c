"""Does a schedule hold whose runs take longer than its interval: runs completed, none overlapping?

    python -m bench.schedule --interval 10 --seconds 25 --minutes 5 --out bench/out/schedule.json

A server and a worker of its own, a deployment as prefect.yaml makes them. Each run writes when it began and ended, on
this machine's clock; overlap is judged by that, not by what the server says.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from bench.prefect_site import Site, until


def figures(site: Site, folder: Path, interval: float, seconds: float, minutes: float, least: int) -> dict[str, object]:
    """Run the schedule for `minutes`, and until `least` runs have completed.

    Args:
        least: runs that must complete, however long this machine takes for them.
    """
    site.start("server")
    site.start("worker")
    site.deploy_entrypoint("holds", "bench.holds.holds")
    site.schedule("holds", interval, {"folder": str(folder), "seconds": seconds})
    began = time.monotonic()
    until(lambda: time.monotonic() - began >= 60 * minutes and count(site)["COMPLETED"] >= least, "runs complete", 3600)
    site.unschedule("holds")
    kinds, took = count(site), time.monotonic() - began
    times = sorted(json.loads(line) for line in (folder / "log").read_text().splitlines())
    overlaps = sum(after[0] < before[1] for before, after in pairwise(times))
    reasons = {run["state"]["message"] for run in site.runs("holds") if run["state"]["type"] == "CANCELLED"}
    return {
        "interval, s": interval,
        "a run, s": seconds,
        "minutes": round(took / 60, 1),
        "completed": kinds["COMPLETED"],
        "cancelled": kinds["CANCELLED"],
        "reasons": sorted(reasons),
        "others": {kind: n for kind, n in kinds.items() if kind in ("FAILED", "CRASHED")},
        "overlapping": overlaps,
    }


def count(site: Site) -> Counter[str]:
    """Runs by the type of their state."""
    return Counter(run["state"]["type"] for run in site.runs("holds"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--interval", type=float, default=10)
    parser.add_argument("--seconds", type=float, default=25)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--out", type=Path)
    known = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        home, folder = Path(scratch) / "prefect", Path(scratch) / "run"
        home.mkdir()
        site = Site(home)
        try:
            found = figures(site, folder, known.interval, known.seconds, known.minutes, least=0)
        finally:
            site.stop()
    print(json.dumps(found, indent=1))
    if known.out:
        known.out.parent.mkdir(parents=True, exist_ok=True)
        known.out.write_text(json.dumps(found, indent=1) + "\n")
    if found["overlapping"] or found["others"]:
        raise SystemExit("the schedule does not hold")


if __name__ == "__main__":
    main()
