"""Tries a few candidates of every search and class, to know what the many will give and cost."""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import torch

from data.draft_files import draft_files
from data.drafts import Judged, write_draft
from data.store import Store
from pipelines.training.drafting import DRAFTS, SPLIT, Balance, DraftRequest
from pipelines.training.materialise import Court, court_of, draft_rng, judge_all


def probe(request: DraftRequest, candidates: int, clock: Callable[[], float] = time.monotonic) -> dict[str, object]:
    """Make and judge so many candidates of each search in the request's mix, as many of each class, and write them.

    The draft that it leaves belongs to no set; its random numbers are its own.

    Args:
        request: as of a draft that is the only one of its set.
        candidates: of each search.
        clock: seconds.

    Returns:
        What `pipelines.training.budget.allocate` takes: by search `tried` and `kept`, each by class, and `seconds` a
        candidate; `setup` seconds of loading; `spent` seconds in all; `bytes` a kept sample and `row_bytes` a candidate
        at rest; and the balance: `balance`, `shares`, `have`.
    """
    began = clock()
    court = court_of(request)
    request = replace(request, allotted=_evenly(request, court, candidates))
    request = replace(request, attempts=sum(sum(counts) for counts in request.allotted.values()))
    rng, judged = draft_rng(request.seed, request.set_name, request.number), []
    seconds = dict.fromkeys(request.allotted, 0.0)
    last = loaded = clock()
    for group in judge_all(request, court, rng):
        judged.append(group)
        last, before = clock(), last
        seconds[group.candidates.search] += last - before
    names = draft_files(SPLIT, request.number)
    folder = request.run / DRAFTS / request.set_name
    record = write_draft(folder, SPLIT, request.number, judged, rng)
    ended, store = clock(), Store(str(folder))
    tar, manifest = (len(store.read(name)) for name in names)
    writing = (ended - last) / record.attempted
    return {
        "searches": {name: _row(name, judged, court, seconds[name], writing) for name in request.allotted},
        "setup": loaded - began,
        "spent": ended - began,
        "bytes": tar / max(1, record.samples),
        "row_bytes": manifest / record.attempted,
        **_balance(court, request.balance, dict(request.quotas)),
    }


def _evenly(request: DraftRequest, court: Court, candidates: int) -> dict[str, list[int]]:
    present = _present(court)
    each = -(-candidates // int(present.sum()))
    counts = [each if real else 0 for real in present.tolist()]
    return {search: counts for search, share in request.search.mix.items() if share > 0}


def _present(court: Court) -> torch.Tensor:
    """Bool (K,): which classes have real samples."""
    return torch.bincount(court.scene.real.labels, minlength=court.scene.classes) > 0


def _row(search: str, judged: list[Judged], court: Court, seconds: float, writing: float) -> dict[str, Any]:
    mine = [group for group in judged if group.candidates.search == search]
    labels = torch.cat([group.candidates.batch.labels for group in mine])
    kept = labels[torch.cat([group.verdict.accepted for group in mine])]
    classes = court.scene.classes
    counts = {"tried": labels, "kept": kept}
    found = {name: torch.bincount(y, minlength=classes).tolist() for name, y in counts.items()}
    return {**found, "seconds": seconds / len(labels) + writing}


def _balance(court: Court, balance: Balance, quotas: Mapping[str, float]) -> dict[str, object]:
    """Each class's due of what is kept, and what it has of it already; of what is tried where all are tried alike."""
    if court.quotas is None:
        present = _present(court).double()
        return {"balance": "even", "shares": (present / present.sum()).tolist(), "have": [0.0] * len(present)}
    aims = {"shares": court.quotas.shares.tolist(), "have": court.quotas.counted.tolist()}
    return {"balance": "quotas" if quotas else balance, **aims}
