"""One run's shards made by two hosts, in network namespaces, with a disk of their own each and a store between them.

    python -m bench.two_hosts --out bench/out/two_hosts.json

Takes root. Prefect's server and an S3-compatible one are a third host. The bytes are
compared with those of one machine.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import boto3

from bench.prefect_site import HARDSHARD, RECIPE, ROOT, Site, holder_of, until
from data.store import Store
from pipelines.recipes import Recipe
from pipelines.training import sets, stages
from pipelines.training.operations import OperationOptions
from pipelines.training.session import session

SERVERS = "10.77.0.1"
"""Address of the third host."""
HOSTS = ("a", "b")
IP = shutil.which("ip", path="/usr/sbin:/sbin:/usr/bin") or "ip"


def ip(*words: str) -> None:
    subprocess.run([IP, *words], check=True, capture_output=True)


@contextmanager
def network() -> Iterator[None]:
    """Two namespaces that reach the servers' address and, each other's programs apart, nothing else."""
    try:
        ip("link", "add", "hs-bridge", "type", "bridge")
        ip("address", "add", f"{SERVERS}/24", "dev", "hs-bridge")
        ip("link", "set", "hs-bridge", "up")
        for number, host in enumerate(HOSTS, 2):
            ip("netns", "add", f"hs-{host}")
            ip("link", "add", f"hs-to-{host}", "type", "veth", "peer", "name", "eth0", "netns", f"hs-{host}")
            ip("link", "set", f"hs-to-{host}", "master", "hs-bridge", "up")
            ip("-n", f"hs-{host}", "link", "set", "lo", "up")
            ip("-n", f"hs-{host}", "link", "set", "eth0", "up")
            ip("-n", f"hs-{host}", "address", "add", f"10.77.0.{number}/24", "dev", "eth0")
        yield
    finally:
        made = [("link", f"hs-to-{host}") for host in HOSTS] + [("netns", f"hs-{host}") for host in HOSTS]
        for kind, name in [*made, ("link", "hs-bridge")]:
            subprocess.run([IP, kind, "del", name], check=False, capture_output=True)


@dataclass
class Host:
    """A worker in a namespace, and its disk, which no other host sees.

    Attributes:
        disk: where it lies, under the same path on every host.
    """

    name: str
    disk: Path
    process: "subprocess.Popen[bytes]"

    def path(self, name: str) -> Path:
        """A file on its disk, as this process sees it."""
        return Path(f"/proc/{self.process.pid}/root{self.disk}") / name


def started(site: Site, name: str, disk: Path, *arguments: str) -> Host:
    """Start a worker on a host, which has one processor, its own where there are two."""
    mount_and_go = f'mount -t tmpfs tmpfs {disk} && mkdir {disk}/prefect && exec "$@"'
    processor = str(sorted(os.sched_getaffinity(0))[HOSTS.index(name) % len(os.sched_getaffinity(0))])
    command = [IP, "netns", "exec", f"hs-{name}", "sh", "-c", mount_and_go, "sh", "taskset", "-c", processor]
    command += [*HARDSHARD, "worker", *arguments]
    environment = {**site.environment, "PREFECT_HOME": f"{disk}/prefect"}
    with (site.home / f"host-{name}.log").open("ab") as log:
        process = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    site.processes[f"host {name}"] = process
    return Host(name, disk, process)


@contextmanager
def hosts(scratch: Path) -> Iterator[tuple[Site, list[Host]]]:
    """The servers; host a, which joins what is made; host b, which makes ranges."""
    port = "9000"
    keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_DEFAULT_REGION": "us-east-1"}
    keys |= {"AWS_ENDPOINT_URL": f"http://{SERVERS}:{port}"}
    os.environ.update(keys)
    with network():
        (scratch / "prefect").mkdir()
        (disk := scratch / "disk").mkdir()
        site = Site(scratch / "prefect", keys, SERVERS)
        try:
            store = [str(Path(sys.executable).parent / "moto_server"), "-H", SERVERS, "-p", port]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "start_new_session": True}
            site.processes["store"] = subprocess.Popen(store, **quiet)
            site.start("server")
            site.deploy("--name", "on-many", "--name", "range")
            boto3.client("s3").create_bucket(Bucket="bucket")
            yield site, [started(site, "a", disk), started(site, "b", disk, "--pool", "ranges", "--limit", "1")]
        finally:
            site.stop()


def recipe_of(seed: int, parts: int, attempts: int) -> Recipe:
    """A recipe whose set and exchange lie on the store, apart from those of other seeds."""
    shards = replace(RECIPE.shards, parts=parts, attempts=attempts, count=4, url=f"s3://bucket/set-{seed}")
    operations = OperationOptions(exchange=f"s3://bucket/exchange-{seed}")
    return replace(RECIPE, seed=seed, shards=shards, operations=operations)


def given(host: Host, recipe: Recipe, **more: int) -> dict[str, object]:
    """Parameters of a run on a host's disk."""
    return {"recipe": asdict(recipe), "run": str(host.disk / f"run-{recipe.seed}"), **more}


def drafts_of(host: Host, run: str) -> list[int]:
    """Drafts that lie on a host's disk."""
    return sorted(int(found.stem.removeprefix("draft-")) for found in host.path(run).glob("stages/shards/draft-*.json"))


def alone(recipe: Recipe, folder: Path) -> dict[str, str]:
    """File -> SHA-256 of the set that one machine makes of the same recipe, without Prefect."""
    recipe = replace(recipe, shards=replace(recipe.shards, url=""), operations=OperationOptions())
    with session(recipe, folder) as run:
        for stage in (stages.source, stages.model, stages.gan, stages.examiner):
            stage(recipe, run)
        for fold in range(recipe.judges.folds):
            stages.judge(recipe, run, fold)
        options = sets.hard_set(recipe, run)
        for number in options.drafts:
            sets.draft(recipe, run, options, number)
        for number in range(options.count):
            sets.shard(recipe, run, options, number, sets.drafts_of(run, options))
        sets.index(recipe, run, options)
    return digests(Store(str(folder / "shards")))


def digests(store: Store) -> dict[str, str]:
    return {name: hashlib.sha256(store.read(name)).hexdigest() for name in store.names()}


def ranges_of(site: Site, recipe: Recipe) -> list[dict]:
    return [run for run in site.runs("range") if run["parameters"]["recipe"]["seed"] == recipe.seed]


def together(site: Site, both: list[Host], recipe: Recipe, scratch: Path) -> dict[str, object]:
    """A run on both hosts."""
    began = time.monotonic()
    ended = site.ended(site.run("on-many", given(both[0], recipe, at_once=4)))
    assert ended["state"]["type"] == "COMPLETED", ended["state"]["message"]
    took = round(time.monotonic() - began, 1)
    kinds = [run["state"]["type"] for run in ranges_of(site, recipe)]
    on_b = drafts_of(both[1], f"run-{recipe.seed}-range")
    same = digests(Store(recipe.shards.url)) == alone(recipe, scratch / f"alone-{recipe.seed}")
    return {"seconds": took, "ranges": kinds, "drafts made by host b": on_b, "same bytes": same}


def with_straggler(site: Site, both: list[Host], recipe: Recipe, scratch: Path) -> dict[str, object]:
    """A run in the middle of which all that host b does stands still."""
    held = both[1].path(f"run-{recipe.seed}-range")
    with ThreadPoolExecutor(1) as pool:
        stopped = pool.submit(_stop, held)
        found = together(site, both, recipe, scratch)
    with suppress(ProcessLookupError):
        os.kill(stopped.result(), signal.SIGKILL)
    return found


def _stop(folder: Path) -> int:
    """Stop the process that holds a run's folder once it has finished a draft; its number."""
    until(lambda: list(folder.glob("stages/shards/draft-*.json")), "host b has made a draft")
    os.kill(process := holder_of(folder), signal.SIGSTOP)
    return process


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    known = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        with hosts(scratch) as (site, both):
            found = {
                "two hosts": together(site, both, recipe_of(0, 16, 5000), scratch),
                "one of them stands still": with_straggler(site, both, recipe_of(1, 16, 5000), scratch),
            }
    print(json.dumps(found, indent=1))
    if known.out:
        known.out.parent.mkdir(parents=True, exist_ok=True)
        known.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
