"""A model that was brought, within a run's folder: copied there, so that the run is whole by itself."""

import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from data.errors import Damaged
from data.files import canonical_json, read_json, write_together
from data.intake import Summary
from data.records import Batch
from generators.margins import Model, margins_of
from pipelines.training.models.locating import FOLDER, OPTIONS, SIDECAR, ModelOptions, copy_of, description_of
from pipelines.training.models.opening import BroughtModel, open_model

AT_ONCE = 256


def bring(options: ModelOptions, run: Path, summary: Summary) -> BroughtModel:
    """Check a model against the run's samples, which `summary` describes, and copy it into the run's folder.

    Raises:
        WrongUse: it does not suit them.
        Damaged: its file cannot be read, or could run code.
    """
    model = open_model(options, summary.shape, summary.class_names)
    program = (options.path, copy_of(options)) if options.weights else (copy_of(options), "")
    content = {
        copy_of(options): options.file.read_bytes(),
        SIDECAR: canonical_json(asdict(description_of(options))),
        OPTIONS: canonical_json(dict(zip(("path", "weights"), program, strict=True))),
    }
    write_together({run / name: written for name, written in content.items()})
    return model


def forget(run: Path) -> None:
    """Take a brought model out of the run's folder, if there is one."""
    shutil.rmtree(run / FOLDER, ignore_errors=True)


def open_brought(run: Path, summary: Summary) -> BroughtModel:
    """The run's copy of the model, for samples that `summary` describes.

    Raises:
        Damaged: a file of it is not as it was.
    """
    said = read_json(run / OPTIONS)
    try:
        path, weights = str(said["path"]), str(said["weights"])
        program = (path, str(run / weights)) if weights else (str(run / path), "")
        options = ModelOptions(*program, sidecar=str(run / SIDECAR))
    except (KeyError, ValueError) as error:
        raise Damaged(f"{run / OPTIONS} names no model ({error}): delete it and run again") from error
    return open_model(options, summary.shape, summary.class_names)


@torch.no_grad()
def opinion_of(model: Model, batch: Batch) -> Mapping[str, object]:
    """What a model makes of labelled samples: its clean accuracy and median margin, whether it hardly beats chance."""
    images, labels = (torch.split(part, AT_ONCE) for part in (batch.inputs["image"], batch.labels))
    margins = torch.cat([margins_of(model(x), y) for x, y in zip(images, labels, strict=True)])
    clean, chance = (margins > 0).float().mean().item(), batch.labels.bincount().max().item() / len(batch)
    return {"clean": clean, "margin": margins.median().item(), "samples": len(batch), "doubtful": clean < 1.2 * chance}


def opinion_told(facts: Mapping[str, Any]) -> str:
    """What was found of the model when it was taken in, in words."""
    seen = facts["validation"]
    order = "" if facts["named_classes"] else " It names no classes: they are taken to be in the source's order."
    doubt = (
        " Hardly better than chance: are its input range and its order of classes right?" if seen["doubtful"] else ""
    )
    return (
        f"your model: right on {100 * seen['clean']:.1f} % of {seen['samples']} validation samples, median margin "
        f"{seen['margin']:.2f} logits.{order}{doubt}"
    )


def measured_told(measured: Mapping[str, Any]) -> str:
    """How the model compares with the arms, in words."""
    return (
        f"Of the {measured['samples']} samples that the arms are measured on it is right on "
        f"{100 * measured['clean']:.1f} %. The arms are small classifiers trained here, not your model: the "
        "shards were aimed at yours, and whether they harden it shows when you train it on them."
    )
