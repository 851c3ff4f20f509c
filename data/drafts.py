"""Drafts: what one task made, kept and refused, before the kept samples are dealt to shards.

A draft is a tar of its kept samples and a Parquet manifest of all its candidates. Checks refuse unevenly, so drafts
differ in length; packing evens that out. A sample keeps its key: it names the draft and its place there.
"""

import hashlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from zlib import crc32

import numpy as np
import torch
from torch import Tensor

from data.draft_files import DraftRecord, draft_files
from data.files import canonical_json, write_atomically
from data.forms import IMAGE_ALONE, Form
from data.manifest import encode_manifest
from data.modalities import members_of, modality
from data.records import Candidates, ManifestRow, Verdict
from data.tars import Sample, pack


@dataclass(frozen=True)
class Judged:
    """Candidates, the verdict on them, and their soft labels, float (N, K), rows summing to 1."""

    candidates: Candidates
    verdict: Verdict
    soft_labels: Tensor


def write_draft(
    folder: Path,
    split: str,
    number: int,
    judged: Sequence[Judged],
    rng: torch.Generator,
    forms: Mapping[str, Form] | None = None,
) -> DraftRecord:
    """Write the draft `<split>-<number>`; its candidates are shuffled by `rng` before they get their keys.

    Args:
        forms: modality -> its form, which sound needs for its rate and features for their unit; by default what the
            inputs' shapes tell.
    """
    rows, encoded = _rows(judged, forms)
    order = torch.randperm(len(rows), generator=rng).tolist()
    keyed = [(replace(rows[i], key=f"{split}-{number:06d}-{place:06d}"), encoded[i]) for place, i in enumerate(order)]
    samples = [_sample(row, inputs) for row, inputs in keyed if row.accepted]
    tar = pack(samples)
    stored = iter(zip(samples, np.diff(tar.starts).tolist(), strict=True))
    listed = [_located(row, *next(stored)) if row.accepted else row for row, _ in keyed]
    names = draft_files(split, number)
    write_atomically(folder / names[0], tar.content)
    write_atomically(folder / names[1], encode_manifest(listed))
    return DraftRecord(*names, samples=len(samples), attempted=len(rows))


def _rows(
    judged: Sequence[Judged], forms: Mapping[str, Form] | None
) -> tuple[list[ManifestRow], list[dict[str, bytes]]]:
    rows, encoded = [], []
    for group in judged:
        made = group.candidates.batch.inputs
        known = forms or {name: Form(tuple(x.shape[1:])) for name, x in made.items()}
        moved = _moved(group.candidates, known)
        for place in range(len(group.candidates)):
            kinds = {name: modality(name) for name in known}
            inputs = {kind.extension: kind.encode(made[name][place], known[name]) for name, kind in kinds.items()}
            rows.append(_row(group, place, inputs, {name: far[place] for name, far in moved.items()}))
            encoded.append(inputs)
    return rows, encoded


def _moved(made: Candidates, forms: Mapping[str, Form]) -> dict[str, list[float]]:
    """Modality -> how far the search moved each sample, in its units; nothing of images alone."""
    if tuple(forms) == IMAGE_ALONE:
        return {}
    return {
        name: modality(name).moved(made.batch.inputs[name], made.starts[name], form).tolist()
        for name, form in sorted(forms.items())
    }


def _row(group: Judged, place: int, inputs: Mapping[str, bytes], moved: Mapping[str, float]) -> ManifestRow:
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
        sha256=hashlib.sha256(b"".join(content for _, content in sorted(inputs.items()))).hexdigest(),
        moved=moved or None,
    )


def _located(row: ManifestRow, sample: Sample, length: int) -> ManifestRow:
    return replace(row, crc32={ext: crc32(content) for ext, content in sorted(sample[1].items())}, length=length)


def _sample(row: ManifestRow, inputs: Mapping[str, bytes]) -> Sample:
    facts: dict[str, object] = {
        "label": row.label,
        "margin": row.margin,
        "margin_before": row.margin_before,
        "parents": "+".join(row.parents),
        "search": row.search,
    }
    if row.moved is not None:
        facts |= {f"moved_{name}": far for name, far in row.moved.items()}
        facts["touched"] = "+".join(name for name, far in row.moved.items() if far)
    soft = io.BytesIO()
    np.save(soft, np.array(row.soft_label, dtype=np.float32), allow_pickle=False)
    members = {"cls": str(row.label).encode(), "json": canonical_json(facts), "probs.npy": soft.getvalue()}
    return row.key, {**members, **inputs}


MEMBERS = members_of(IMAGE_ALONE)
"""Extension of a member -> what it holds, in a set of images alone."""
