"""What of this machine, its packages and what a recipe names would stop a run, and how to mend it."""

import os
import shutil
import socket
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from data.errors import Damaged, WrongUse
from data.runs import owner_of
from data.sources import Found, beside, source_of
from data.store import CLAIM, Store
from pipelines.recipes import Recipe
from pipelines.training.arms import SHARDS, set_url
from pipelines.training.models.locating import must_exist
from pipelines.training.processes import cores

State = Literal["fine", "mind", "wrong"]
"""Fine; may be trouble; would stop a run."""
OURS = ("data", "generators", "pipelines")
"""Packages of this distribution, whose names are not rare."""
ROOM = 2 * 2**30
"""Bytes free below which one should look at what `hardshard plan` says of the disk."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes:
        of: what.
        said: what was found.
        mend: what to do; empty where it is fine.
    """

    of: str
    state: State
    said: str
    mend: str = ""


def checks_of(recipe: Recipe, folder: Path) -> Iterator[Check]:
    """Look at all but Prefect, one thing after the other; nothing that is looked at is changed.

    Args:
        folder: the run's.
    """
    yield _python()
    yield _here()
    yield from _packages(requires("hardshard") or [])
    yield _guarded("torch", lambda: _torch(recipe.training.device), "pip install --force-reinstall torch")
    yield _machine()
    yield _guarded("run folder", lambda: _folder(recipe, folder), "choose another folder with --run")
    yield _guarded("source", lambda: _source(recipe), "hardshard init PATH guesses the options; docs/sources.md")
    if recipe.model.path:
        yield _guarded("model", lambda: _model(recipe), "docs/models.md")
    if recipe.shards.url:
        url = set_url(recipe, folder, SHARDS)
        yield _guarded("store", lambda: _store(url), "check the address, keys and rights; docs/operations.md")


def _guarded(of: str, look: Callable[[], Check], mend: str) -> Check:
    """What is found, or the error that a run would have met there."""
    try:
        return look()
    except (WrongUse, Damaged, OSError, RuntimeError, ValueError, ImportError) as error:
        return Check(of, "wrong", f"{error}" or type(error).__name__, mend)


def _python() -> Check:
    said = f"{sys.version.split()[0]}, hardshard {version('hardshard')} in {Path(__file__).parents[2]}"
    return Check("python", "fine", said)


def _here() -> Check:
    """Of the folder one stands in, where Python looks first when it starts with -m, as it does for a worker."""
    here = Path.cwd()
    hiding = [name for own in OURS for name in (f"{own}.py", f"{own}/__init__.py") if (here / name).is_file()]
    if hiding and here != Path(__file__).parents[2]:
        said = f"{', '.join(hiding)} in {here}: hides ours from `hardshard worker`, and from `python -m`"
        return Check("this folder", "mind", said, "work in another folder, or set PYTHONSAFEPATH=1")
    return Check("this folder", "fine", f"{here} hides no package of ours")


def _packages(required: Sequence[str]) -> Iterator[Check]:
    """Those that hardshard cannot do without, in versions that it works with."""
    wanted = [requirement for text in required if not (requirement := Requirement(text)).marker]
    bad = [(requirement, found) for requirement in wanted if (found := _misfit(requirement)) is not None]
    for requirement, found in bad:
        said = f"{requirement.name} is {found or 'missing'}, but {requirement} is needed"
        yield Check("packages", "wrong", said, f"pip install '{requirement}'")
    if not bad:
        yield Check("packages", "fine", f"{len(wanted)} as needed")


def _misfit(requirement: Requirement) -> str | None:
    """The version that is installed and should not be, empty for none at all; None where it fits."""
    try:
        found = version(requirement.name)
    except PackageNotFoundError:
        return ""
    return None if requirement.specifier.contains(found, prereleases=True) else found


def _torch(device: str) -> Check:
    import torch

    try:
        (torch.ones(2, 2, device=device) @ torch.ones(2, 2, device=device)).sum().item()
    except AssertionError as error:  # what a torch without CUDA raises
        raise RuntimeError(f"--training.device {device}: {error}") from error
    cards = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    said = f"{torch.__version__}, trains on {device}; GPUs: {', '.join(cards) or 'none'}"
    if cards and device == "cpu":
        return Check("torch", "mind", said, "--training.device cuda trains on the GPU")
    return Check("torch", "fine", said)


def _machine() -> Check:
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30 if hasattr(os, "sysconf") else 0.0
    said = f"{cores()} cores, {memory:.0f} GiB of memory, load {load:.1f}"
    busy = "other work keeps the cores busy: a run takes as much longer"
    return Check("machine", "mind", said, busy) if load > cores() else Check("machine", "fine", said)


def _folder(recipe: Recipe, folder: Path) -> Check:
    owner = owner_of(folder)
    if owner not in ("", recipe.called):
        raise WrongUse(f"{folder} belongs to recipe {owner!r}, not {recipe.called!r}")
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    if not os.access(there, os.W_OK):
        raise WrongUse(f"{there} cannot be written to")
    free = shutil.disk_usage(there).free
    said = f"{folder} ({'goes on there' if owner else 'new'}), {free / 2**30:.1f} GiB free"
    if free < ROOM:
        return Check("run folder", "mind", said, "`hardshard plan` says what a run takes")
    return Check("run folder", "fine", said)


def _source(recipe: Recipe) -> Check:
    source = source_of(recipe.source)
    first: Found | None = next(source.samples, None)
    if first is None or first.problem:
        raise WrongUse(f"{recipe.source.path or recipe.source.name}: {first.problem if first else 'no sample'}")
    if source.modality not in ("", "image"):
        raise WrongUse(f"{recipe.source.name} holds {source.modality}, and a run takes pictures or pairs")
    if recipe.source.unlabelled.name:
        beside(recipe.source)
    where = f" at {recipe.source.path}" if recipe.source.path else ""
    classes = f", {len(source.class_names)} classes" if source.class_names else ""
    return Check("source", "fine", f"{recipe.source.name}{where}{classes}; its first sample can be read")


def _model(recipe: Recipe) -> Check:
    must_exist(recipe.model)
    return Check("model", "fine", f"{recipe.model.path} is there; a build checks it before any work")


def _store(url: str) -> Check:
    """Write a file of an unlikely name, see that a second writer is refused, read it, take it away."""
    store, name = Store(url), f".hardshard-doctor-{uuid.uuid4().hex[:8]}"
    content = f"{socket.gethostname()} {os.getpid()}".encode()
    try:
        put = store.create(name, content)
        whole = put and store.read(name) == content
        alone = not store.create(name, b"another")
    finally:
        store.remove(name)
    if not whole:
        raise WrongUse(f"{url}: what was written there is not what is read")
    if not alone:
        return Check(
            "store", "mind", f"{url} lets two writers overwrite each other", "let one run at a time write there"
        )
    if store.has(CLAIM):
        return Check(
            "store",
            "mind",
            f"{url} is claimed by {store.read(CLAIM).decode()[:120]}",
            "wait, or see docs/operations.md",
        )
    return Check("store", "fine", f"{url}: written, read, taken away again")
