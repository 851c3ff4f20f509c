"""What became of the candidates: counts by search and reason, and an outsider's view of the labels kept."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from data.manifest import count, read_manifest
from data.reading import read_samples
from data.store import Store
from pipelines.training.models.classifier import load_classifier
from pipelines.training.places import EXAMINER

BANDS = (0.25, 1.0, 3.0, 10.0, float("inf"))
"""Upper ends of the bands that |margin| is counted in, in logits."""


def funnel_of(store: Store, manifests: Sequence[str]) -> dict[str, Any]:
    """By search: attempted, kept, refused by reason; read from the manifests of a set."""
    counts: dict[str, Counter[str]] = {}
    for (search, reason), number in count(store, manifests, ["search", "reason"]).items():
        counts.setdefault(search, Counter())[reason] += number
    return {
        search: {
            "attempted": reasons.total(),
            "kept": reasons[""],
            "refused": {reason: n for reason, n in sorted(reasons.items()) if reason},
        }
        for search, reasons in sorted(counts.items())
    }


def bands_of(store: Store, manifests: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """By search, and there by distance from the boundary, one entry for each of `BANDS`: attempted and kept.

    Shows whether the checks take the hard ones for wrong ones.
    """
    found: dict[str, list[dict[str, Any]]] = {}
    rows = read_manifest(store, manifests, ["search", "accepted", "margin"])
    for search, accepted, margin in zip(*(rows[name].to_pylist() for name in rows.column_names), strict=True):
        bands = found.setdefault(search, [{"to": f"{band:g}", "attempted": 0, "kept": 0} for band in BANDS])
        band = next((band for band, end in zip(bands, BANDS, strict=True) if abs(margin) <= end), bands[-1])
        band["attempted"] += 1
        band["kept"] += accepted
    return dict(sorted(found.items()))


def margins_of_set(store: Store, manifests: Sequence[str]) -> Mapping[str, list[float]]:
    """Margins of the kept samples before and after the search, for the report's histogram."""
    rows = read_manifest(store, manifests, ["accepted", "margin_before", "margin"])
    kept = rows.filter(rows["accepted"])
    return {name: kept[name].to_pylist() for name in ("margin_before", "margin")}


@torch.no_grad()
def examine(run: Path, url: str) -> dict[str, object]:
    """How often the examiner gives a kept sample its intended label, in all and by search."""
    examiner = load_classifier(run / EXAMINER)
    kept = read_samples(Store(url))
    seen = examiner(torch.stack([sample.image for sample in kept]).float() / 255).argmax(1).tolist()
    right: dict[str, list[bool]] = {}
    for sample, label in zip(kept, seen, strict=True):
        right.setdefault(sample.search, []).append(label == sample.label)
    everything = [ok for oks in right.values() for ok in oks]
    by_search = {search: sum(oks) / len(oks) for search, oks in sorted(right.items())}
    return {"agreement": sum(everything) / len(everything), "agreement_by_search": by_search}
