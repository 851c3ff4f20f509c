"""A few pictures of each draft for the report: what was kept and what was refused, each beside its start."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from data.drafts import Judged
from data.files import write_atomically
from data.modalities import image

EACH = 2
"""Pictures a class, search and reason from each draft."""


@dataclass(frozen=True)
class Preview:
    """One candidate as a picture.

    Attributes:
        pixels, start: uint8 (C, H, W), after and before the search.
        reason: why it was refused, or the empty string.
    """

    pixels: np.ndarray
    start: np.ndarray
    label: int
    margin: float
    search: str
    reason: str


def write_previews(path: Path, judged: Sequence[Judged]) -> None:
    """Keep the samples nearest to the boundary, a few of each class, search and reason."""
    chosen = [preview for group in judged for preview in _previews(group)]
    counts: dict[tuple[int, str, str], int] = {}
    kept = []
    for preview in sorted(chosen, key=lambda p: (abs(p.margin), p.pixels.tobytes())):
        kind = (preview.label, preview.search, preview.reason)
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= EACH:
            kept.append(preview)
    fields = ("pixels", "start", "label", "margin", "search", "reason")
    out = io.BytesIO()
    np.savez_compressed(out, **{name: np.array([getattr(p, name) for p in kept]) for name in fields})  # type: ignore[arg-type]
    write_atomically(path, out.getvalue())


def _previews(group: Judged) -> list[Preview]:
    made = group.candidates
    pixels = image.quantise(made.batch.inputs["image"]).numpy()
    starts = image.quantise(made.starts["image"]).numpy()
    labels, margins = made.batch.labels.tolist(), made.margins.tolist()
    rows = zip(pixels, starts, labels, margins, group.verdict.reasons, strict=True)
    return [Preview(x, start, y, margin, made.search, reason) for x, start, y, margin, reason in rows]


def read_previews(paths: Sequence[Path]) -> list[Preview]:
    """The previews of several drafts."""
    found = []
    for path in paths:
        with np.load(path, allow_pickle=False) as columns:
            names = ("pixels", "start", "label", "margin", "search", "reason")
            rows = zip(*(columns[name] for name in names), strict=True)
            found += [Preview(x, s, int(y), float(m), str(search), str(why)) for x, s, y, m, search, why in rows]
    return found
