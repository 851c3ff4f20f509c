"""Drafts: what one task made, kept and refused, before the kept samples are dealt to shards.

A draft is a tar of its kept samples and a Parquet manifest of all its candidates. Checks refuse unevenly, so drafts
differ in length; packing evens that out. A sample keeps its key: it names the draft and its place there.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from data.draft_files import DraftRecord as DraftRecord
from data.draft_files import draft_files as draft_files
from data.files import canonical_json, write_atomically
from data.manifest import encode_manifest
from data.modalities import image
from data.records import Candidates, ManifestRow, Verdict
from data.tars import Sample, pack


@dataclass(frozen=True)
class Judged:
    """Candidates, the verdict on them, and their soft labels, float (N, K), rows summing to 1."""

    candidates: Candidates
    verdict: Verdict
    soft_labels: Tensor


def write_draft(folder: Path, split: str, number: int, judged: Sequence[Judged], rng: torch.Generator) -> DraftRecord:
    """Write the draft `<split>-<number>`; its candidates are shuffled by `rng` before they get their keys."""
    rows, encoded = _rows(judged)
    order = torch.randperm(len(rows), generator=rng).tolist()
    keyed = [(replace(rows[i], key=f"{split}-{number:06d}-{place:06d}"), encoded[i]) for place, i in enumerate(order)]
    samples = [_sample(row, png) for row, png in keyed if row.accepted]
    tar = pack(samples)
    stored = iter(zip(samples, np.diff(tar.starts).tolist(), strict=True))
    listed = [_located(row, *next(stored)) if row.accepted else row for row, _ in keyed]
    names = draft_files(split, number)
    write_atomically(folder / names[0], tar.content)
    write_atomically(folder / names[1], encode_manifest(listed))
    return DraftRecord(*names, samples=len(samples), attempted=len(rows))


def _rows(judged: Sequence[Judged]) -> tuple[list[ManifestRow], list[bytes]]:
    rows, encoded = [], []
    for group in judged:
        for place in range(len(group.candidates)):
            png = image.encode(group.candidates.batch.inputs["image"][place])
            rows.append(_row(group, place, png))
            encoded.append(png)
    return rows, encoded


def _row(group: Judged, place: int, png: bytes) -> ManifestRow:
    made, verdict = group.candidates, group.verdict
    return ManifestRow(
        key="",
        accepted=not verdict.reasons[place],
        reason=verdict.reasons[place],
        label=int(made.batch.labels[place]),
        search=made.search,
        parents=made.parents[place],
        margin_before=float(made.margins_before[place]),
        margin=float(made.margins[place]),
        scores={name: float(score[place]) for name, score in verdict.scores.items()},
        soft_label=group.soft_labels[place].tolist(),
        sha256=hashlib.sha256(png).hexdigest(),
    )


def _located(row: ManifestRow, sample: Sample, length: int) -> ManifestRow:
    return replace(row, crc32={ext: crc32(content) for ext, content in sorted(sample[1].items())}, length=length)


def _sample(row: ManifestRow, png: bytes) -> Sample:
    facts = {
        "label": row.label,
        "margin": row.margin,
        "margin_before": row.margin_before,
        "parents": "+".join(row.parents),
        "search": row.search,
    }
    soft = io.BytesIO()
    np.save(soft, np.array(row.soft_label, dtype=np.float32), allow_pickle=False)
    members = {
        "cls": str(row.label).encode(),
        "json": canonical_json(facts),
        image.extension: png,
        "probs.npy": soft.getvalue(),
    }
    return row.key, members


MEMBERS = {"cls": "label", "json": "facts", image.extension: "image", "probs.npy": "soft_label"}
"""Extension of a member -> what it holds."""
