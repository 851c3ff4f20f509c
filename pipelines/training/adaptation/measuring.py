"""What a worker process measures when all is done: with the target's labels, which nothing else opens, and eyes."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from data.draft_files import draft_files
from data.files import write_atomically
from data.manifest import read_manifest
from data.modalities import image
from data.records import Batch
from data.store import Store
from generators.checks import joint_opinion
from pipelines.recipes import Recipe
from pipelines.training.adaptation.domains import measured_samples, target_samples
from pipelines.training.adaptation.fitting import load_translation, members_of
from pipelines.training.adaptation.making import PSEUDO
from pipelines.training.drafting import DRAFTS, SPLIT
from pipelines.training.materialise import draft_rng
from pipelines.training.participants import samples

GRID_A, GRID_B = "pictures/source-there-and-back.png", "pictures/target-there-and-back.png"
SHOWN = 20
"""Samples in each picture."""


@torch.no_grad()
def accuracy(recipe: Recipe, run: Path, files: Sequence[str]) -> dict[str, object]:
    """Flags of each classifier on the measured part, `1` where it is right, and of all of them together."""
    part = recipe.adapt.measured
    if part == "none":
        raise ValueError("adapt.measured is none: there is nothing to measure on")
    batch = measured_samples(recipe, run, part)
    told = torch.stack([member(batch.inputs["image"]).softmax(1) for member in members_of(run, files)])
    flags = [_flags(one, batch) for one in told]
    return {"members": flags, "together": _flags(joint_opinion(told), batch)}


def _flags(told: Tensor, batch: Batch) -> str:
    return "".join("1" if right else "0" for right in (told.argmax(1) == batch.labels).tolist())


def pseudo_labels(recipe: Recipe, run: Path, folder: str) -> dict[str, object]:
    """Of the pseudo-labels of a round: how many were given and kept, and how many of either are right."""
    truth = measured_samples(recipe, run, "train")
    label_of = dict(zip(truth.keys, truth.labels.tolist(), strict=True))
    _, manifest = draft_files(SPLIT, PSEUDO)
    rows = read_manifest(Store(str(run / DRAFTS / folder)), [manifest], ["parents", "label", "accepted"])
    counts = {"given": 0, "given_right": 0, "kept": 0, "kept_right": 0}
    for row in rows.to_pylist():
        right = label_of.get(row["parents"][0]) == row["label"]
        counts["given"] += 1
        counts["given_right"] += right
        counts["kept"] += row["accepted"]
        counts["kept_right"] += row["accepted"] and right
    return dict(counts)


def draw(recipe: Recipe, run: Path) -> dict[str, object]:
    """Two pictures, a column a sample: above as it is, then translated, then translated back.

    Returns:
        Mean absolute difference after the way there and back, of either domain's samples.
    """
    translation, rng = load_translation(run), draft_rng(recipe.seed, "pictures", 0)
    a, b = samples(run, "train", recipe.source), target_samples(recipe, run, "train")
    errors = []
    for name, batch, way in ((GRID_A, _in_turn(a), translation), (GRID_B, b, translation.reversed)):
        x = batch.inputs["image"][:SHOWN]
        there = way.forth(x, rng)
        back = way.back(there, rng)
        errors.append(float((back - x).abs().mean()))
        write_atomically(run / name, _grid([x, there, back]))
    return {"source": errors[0], "target": errors[1]}


def _in_turn(batch: Batch) -> Batch:
    """The first samples of each class, class after class in turn."""
    seen, ranked = Counter[int](), []
    for row, label in enumerate(batch.labels.tolist()):
        ranked.append((seen[label], label, row))
        seen[label] += 1
    return batch.rows(torch.tensor([row for _, _, row in sorted(ranked)[:SHOWN]]))


def _grid(rows: Sequence[Tensor]) -> bytes:
    """A PNG of rows of images, each float (N, C, H, W)."""
    padded = [F.pad(row.clamp(0, 1), (1, 1, 1, 1), value=0.5) for row in rows]
    return image.encode(torch.cat([torch.cat(list(row), 2) for row in padded], 1))
