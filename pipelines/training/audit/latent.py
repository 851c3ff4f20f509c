"""Searches among a generator's samples for those that the model errs on; no judge is asked: labels are intentions."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from data.errors import Damaged, WrongUse
from data.files import write_atomically
from data.intake import Summary
from data.records import Candidates
from generators.margins import Model
from generators.networks import Generator
from generators.options import SearchOptions
from generators.search import Scene
from generators.search.latent_walk import latent_walk
from pipelines.training.audit.attacking import Task, answers_of
from pipelines.training.materialise import AT_ONCE, balanced_labels, draft_rng
from pipelines.training.participants import load_gan, samples, taken
from pipelines.training.progress import report


@dataclass(frozen=True)
class Drawn:
    """M of the generator's samples: float (M, C, H, W) before and after the search, label and answer int64 (M,)."""

    before: np.ndarray
    after: np.ndarray
    labels: np.ndarray
    says: np.ndarray


def must_suit(generator: Generator, run: Path, theirs: Sequence[str], ours: Summary) -> None:
    """Check that a generator draws the images that the model takes.

    Args:
        run: the generator's run, for the message.
        theirs: class names of the generator's source, or () where that is not known.
        ours: of the samples that the model is attacked on.

    Raises:
        WrongUse: it draws images of another shape, or other classes.
    """
    shape = generator.shape
    draws = [shape.channels, shape.height, shape.width]
    if draws != list(ours.shape) or shape.classes != len(ours.class_names):
        raise WrongUse(
            f"the generator of {run} draws {' x '.join(map(str, draws))} of {shape.classes} classes, the samples are "
            f"{' x '.join(map(str, ours.shape))} of {len(ours.class_names)}: name another with --audit.generator"
        )
    if theirs and list(theirs) != list(ours.class_names):
        raise WrongUse(f"the generator of {run} draws classes {list(theirs)}, the samples are {list(ours.class_names)}")


def search_latents(task: Task, generator: Path, search: SearchOptions, out: str) -> dict[str, object]:
    """Walk a generator's latents to the model's boundary, and keep a few pictures in the run's file `out`."""
    model, _ = task.scene()
    network, _ = load_gan(generator)
    real, rng = samples(task.run, "train", task.source), draft_rng(task.seed, "audit/latent", 0)
    must_suit(network, generator.parent, _names_in(generator.parent), taken(task.run).summary)
    scene = Scene(model, network, network.shape.latent, real)
    total, found = task.options.candidates, []
    for y in torch.split(balanced_labels(real, total, rng), AT_ONCE):
        found.append(latent_walk(scene, y, search, rng))
        report("latent search", sum(len(some) for some in found), total)
    _write(task.run / out, model, found)
    return _facts(found, search.band)


def _names_in(run: Path) -> Sequence[str]:
    try:
        return taken(run).summary.class_names
    except (Damaged, OSError):
        return ()


def _facts(found: Sequence[Candidates], band: float) -> dict[str, object]:
    margins, before = (torch.cat([getattr(some, name) for some in found]) for name in ("margins", "margins_before"))
    labels = torch.cat([some.batch.labels for some in found])
    return {
        "band": band,
        "labels": labels.tolist(),
        "near": (margins.abs() <= band).tolist(),
        "errs": (margins < 0).tolist(),
        "errs_before": (before < 0).tolist(),
    }


def _write(path: Path, model: Model, found: Sequence[Candidates]) -> None:
    """Of each class the sample that moved least from where the model was right to where it errs."""
    after = torch.cat([some.batch.inputs["image"] for some in found])
    before = torch.cat([some.starts["image"] for some in found])
    labels = torch.cat([some.batch.labels for some in found])
    turned = torch.cat([(some.margins_before > 0) & (some.margins < 0) for some in found])
    moved = (after - before).flatten(1).norm(dim=1)
    rows = []
    for label in sorted(set(labels.tolist())):
        own = (turned & (labels == label)).nonzero()[:, 0]
        rows += own[moved[own].argsort()[:1]].tolist()
    chosen = torch.tensor(rows, dtype=torch.int64)
    columns = {"before": before[chosen], "after": after[chosen], "labels": labels[chosen]}
    columns["says"] = answers_of(model, after[chosen]) if rows else chosen
    out = io.BytesIO()
    np.savez_compressed(out, **{name: column.numpy() for name, column in columns.items()})  # type: ignore[arg-type]
    write_atomically(path, out.getvalue())


def read_drawn(path: Path) -> Drawn:
    """The pictures of a search.

    Raises:
        Damaged: the file does not hold them.
    """
    try:
        with np.load(path, allow_pickle=False) as columns:
            return Drawn(columns["before"], columns["after"], columns["labels"], columns["says"])
    except (KeyError, ValueError, OSError) as error:
        raise Damaged(f"{path} holds no pictures of a search ({error}): delete it and run again") from error
