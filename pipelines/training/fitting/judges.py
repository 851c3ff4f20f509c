"""Those who judge labels: classifiers cross-fitted on folds, and an examiner who never filters anything."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

import pipelines.training.models.architectures
from data.loader import Pool
from data.plugins import plugin_names
from generators.augmentation import shift
from generators.balls import Ball
from pipelines.training.fitting.fit import Batches, FitOptions, fit
from pipelines.training.models.classifier import Classifier, ClassifierShape
from pipelines.training.models.descriptions import Names


@dataclass(frozen=True)
class JudgeOptions:
    """How the judges are trained."""

    folds: int = 3
    """Each judge leaves one fold of the training samples out."""
    architectures: Names = ("cnn",)
    """Files of pipelines/training/models/architectures, one a judge in turn; the examiner has the first. On few samples
    the others are less robust, and so the poorer judges: docs/labels.md."""
    calibrate: bool = True
    """Fit a temperature to each on the validation samples; without it take `shards.softness` 1."""
    fit: FitOptions = field(default_factory=lambda: FitOptions(steps=600, ball=Ball(steps=5)))
    """Robust judges give the better soft labels: docs/results.md."""

    def __post_init__(self) -> None:
        if not self.folds >= 2:
            raise ValueError(f"judges.folds must be >= 2, got {self.folds}")
        known = plugin_names(pipelines.training.models.architectures)
        if not self.architectures or set(self.architectures) - set(known):
            got = list(self.architectures)
            raise ValueError(f"judges.architectures must name some of {', '.join(known)}, got {got}")
        if self.fit.watch.every:  # the validation samples are the examiner's to learn from and the judges' yardstick
            raise ValueError(f"judges do not stop early: judges.fit.watch.every must be 0, got {self.fit.watch.every}")

    def shape_of(self, judge: int, shape: ClassifierShape) -> ClassifierShape:
        """The shape of judge number `judge`: each has the next of the architectures."""
        return replace(shape, architecture=self.architectures[judge % len(self.architectures)])


def fit_judge(real: Pool, fold: int, shape: ClassifierShape, options: JudgeOptions, seed: int) -> Classifier:
    """The judge that sees every training sample but those of its fold.

    Folds are interleaved: sample i belongs to fold i modulo their number. All judges are trained on mixup of what
    they see, which keeps their probabilities honest between the classes.
    """
    seen = torch.arange(len(real)) % options.folds != fold
    part = Pool(real.images[seen], real.soft_labels[seen])
    sized = options.shape_of(fold, shape)
    return fit(blended(part, options.fit.batch_size, seed), sized, options.fit, seed, f"judge {fold}").model


def fit_examiner(held_out: Pool, shape: ClassifierShape, options: JudgeOptions, seed: int) -> Classifier:
    """A classifier trained on samples that no generator, judge or model has seen, to measure labels with.

    It takes no part in keeping or refusing; what it says of kept samples is an outsider's opinion.
    """
    sized = options.shape_of(0, shape)
    return fit(blended(held_out, options.fit.batch_size, seed), sized, options.fit, seed, "examiner").model


def blended(pool: Pool, batch_size: int, seed: int) -> Batches:
    """Batches of which half are pixel mixup with linear labels, and half shifted by up to a pixel.

    Mixup: Zhang et al. 2018, arXiv:1710.09412.
    """

    def batch(step: int) -> tuple[Tensor, Tensor]:
        rng = torch.Generator().manual_seed(seed * 1_000_003 + step)
        rows, others = (torch.randint(len(pool), (batch_size,), generator=rng) for _ in range(2))
        weights = torch.rand(batch_size, generator=rng)
        weights[: batch_size // 2] = 1
        images, soft = pool.images.float() / 255, pool.soft_labels
        x = torch.lerp(images[others], images[rows], weights[:, None, None, None])
        moved = torch.rand(batch_size, 1, 1, 1, generator=rng) < 0.5
        return torch.where(moved, shift(x, rng), x), torch.lerp(soft[others], soft[rows], weights[:, None])

    return batch
