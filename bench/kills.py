"""Does a build that is killed anywhere, and run again, end in the same bytes?

    python bench/kills.py --kills 200 --out bench/out/kills.json
    python bench/kills.py --kills 50 --url s3://bucket/set        (an S3 server as the environment says)

A small build (drafts by two processes, shards by two processes, the index) is killed with SIGKILL at random instants,
run again, killed again, until it is finished; then every file is compared with that of a build that nobody disturbed.
In between, whatever lies under its final name must be whole, and a set with an index must verify.
"""

import argparse
import json
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import torch

from data.claims import claim
from data.draft_files import DraftRecord, draft_files
from data.drafts import Judged, write_draft
from data.packing import About, finish, pack_shard, plan
from data.records import Batch, Candidates, Verdict
from data.runs import Facts, Run, hold, open_run
from data.shards import open_for_writing
from data.sidecars import ShardRecord
from data.store import INDEX, Store
from data.tars import contents
from data.verify import verify

PARTS, COUNT, CLASSES, WORKERS = 6, 4, 10, 2
ABOUT = About("kills", [str(label) for label in range(CLASSES)], {"image": [1, 8, 8]})


def planted(number: int, attempts: int) -> list[Judged]:
    """Candidates of one draft: noise, of which a share that differs from draft to draft is kept."""
    rng = torch.Generator().manual_seed(number)
    images, labels = torch.rand(attempts, 1, 8, 8, generator=rng), torch.arange(attempts) % CLASSES
    batch = Batch(("",) * attempts, {"image": images}, labels)
    margins = torch.rand(attempts, generator=rng)
    candidates = Candidates(batch, "noise", ((),) * attempts, {"image": images}, margins, margins)
    kept = torch.rand(attempts, generator=rng) < (number + 1) / (PARTS + 1)
    return [Judged(candidates, Verdict.of("chance", kept, margins), torch.full((attempts, CLASSES), 1 / CLASSES))]


def make_draft(run: Run, number: int, attempts: int) -> DraftRecord:
    """One draft, in a worker."""
    rng = torch.Generator().manual_seed(number)
    return write_draft(run.path("drafts"), "train", number, planted(number, attempts), rng)


def make_shard(run: Run, url: str, records: list[DraftRecord], number: int) -> ShardRecord:
    """One shard, in a worker."""
    open_for_writing(Store(url))
    return pack_shard(plan(run.path("drafts"), records, "train", COUNT, seed=0), number, Store(url))


@dataclass(frozen=True)
class Done:
    """What the commit has to tell."""


def make_index(run: Run, url: str, records: list[DraftRecord], packed: list[Facts]) -> Done:
    """The commit, in a worker."""
    shards = [ShardRecord(**facts) for facts in packed]  # type: ignore[arg-type]
    finish(plan(run.path("drafts"), records, "train", COUNT, 0), shards, Store(url), ABOUT, {"seed": 0})
    return Done()


def build(folder: Path, url: str, workers: int = WORKERS, attempts: int = 300) -> None:
    """The whole build, as the flow does it; with `workers` of 0 in this process alone."""
    with hold(folder):
        run, store = open_run(folder, "kills"), Store(url)
        with claim(store, f"the run in {folder}"):
            _build(run, store, workers, attempts)


def _build(run: Run, store: Store, workers: int, attempts: int) -> None:
    pool = get_context("fork").Pool(workers) if workers else None

    def stage(name: str, outputs: list[str], work: partial) -> Facts:  # type: ignore[type-arg]
        def do() -> tuple[Facts, float]:
            with run.path("log").open("a") as log:
                log.write(f"{name}\n")
            return dict(vars(pool.apply(work) if pool else work())), 0.0

        return run.stage(name, {}, outputs, do).facts

    each = ThreadPoolExecutor(workers).map if workers else map
    numbers = range(PARTS)
    outputs = [[f"drafts/{name}" for name in draft_files("train", number)] for number in numbers]
    drafts = [partial(make_draft, run, number, attempts) for number in numbers]
    made = list(each(stage, [f"draft-{number}" for number in numbers], outputs, drafts))
    records = [DraftRecord(**facts) for facts in made]  # type: ignore[arg-type]
    tars = [[f"{store.url}/train-{number:06d}.tar"] for number in range(COUNT)]
    shards = [partial(make_shard, run, store.url, records, number) for number in range(COUNT)]
    packed = list(each(stage, [f"shard-{number}" for number in range(COUNT)], tars, shards))
    stage("index", [f"{store.url}/{INDEX}"], partial(make_index, run, store.url, records, packed))
    if pool:
        pool.terminate()


def bytes_of(store: Store) -> dict[str, bytes]:
    """Every file of a set."""
    return {name: store.read(name) for name in store.names()}


def sound(store: Store) -> str:
    """What is wrong with an unfinished or finished set; nothing if all that has its final name is whole."""
    names = store.names()
    if INDEX in names and ".claim" not in names:
        return "; ".join(f"{finding.file} {finding.problem}" for finding in verify(store))
    for name in names:
        if name.endswith(".tar"):
            contents(store.read(name))
    return ""


def kill_at_random(folder: Path, url: str, longest: float, draw: random.Random) -> bool:
    """Start the build and kill it, with all its processes; whether it had finished before."""
    child = os.fork()
    if not child:
        os.setsid()
        try:
            build(folder, url)
            os._exit(0)
        finally:
            traceback.print_exc()
            os._exit(1)
    time.sleep(draw.uniform(0, longest))
    done, status = os.waitpid(child, os.WNOHANG)
    if done:
        if status:
            raise SystemExit(f"the build failed by itself, status {status}")
        return True
    os.kill(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        while True:  # its workers too, until the last of them is gone
            os.killpg(child, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
            time.sleep(0.01)
    return False


def rounds(folder: Path, url: str, kills: int, seed: int) -> Iterator[dict[str, int]]:
    """Builds killed until they are finished, each compared with an undisturbed one, until there were enough kills."""
    draw = random.Random(seed)
    store = Store(url)
    began = time.monotonic()
    build(folder / "run", url)
    longest, expected = 1.2 * (time.monotonic() - began), bytes_of(store)
    total = 0
    while total < kills:
        for name in store.names():
            store.remove(name)
        shutil.rmtree(folder / "run")
        here = 0
        while not kill_at_random(folder / "run", url, longest, draw):
            here += 1
            if wrong := sound(store):
                raise SystemExit(f"after kill {total + here}: {wrong}")
        total += here
        if (found := bytes_of(store)) != expected:
            differing = [name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)]
            raise SystemExit(f"after kill {total}: {sorted(differing)} differ")
        starts = Counter((folder / "run/log").read_text().split())
        yield {"kills": here, "redone": sum(starts.values()) - PARTS - COUNT - 1, "total": total}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--url", default="", help="where the set goes (default: a folder)")
    parser.add_argument("--out", type=Path, help="write the figures as JSON")
    known = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        done = []
        for figures in rounds(folder, known.url or str(folder / "set"), known.kills, known.seed):
            done.append(figures)
            print(json.dumps(figures), flush=True)
    kills, redone = (sum(figures[name] for figures in done) for name in ("kills", "redone"))
    summary = {"builds": len(done), "kills": kills, "units redone": redone, "most a kill": WORKERS, "identical": True}
    if redone > WORKERS * kills:
        raise SystemExit(f"{redone} units were redone after {kills} kills of {WORKERS} workers")
    print(json.dumps(summary))
    if known.out:
        known.out.parent.mkdir(parents=True, exist_ok=True)
        known.out.write_text(json.dumps(summary, indent=1) + "\n")


if __name__ == "__main__":
    main()
