"""Those who judge labels: classifiers cross-fitted on folds, and an examiner who never filters anything."""

from dataclasses import replace

import torch
from torch import Tensor

from data.loader import Pool
from generators.augmentation import shift
from pipelines.training.fitting.fit import Batches, fit
from pipelines.training.fitting.options import JudgeOptions
from pipelines.training.models.classifier import Classifier, ClassifierShape


def fit_judge(real: Pool, fold: int, shape: ClassifierShape, options: JudgeOptions, seed: int) -> Classifier:
    """The judge that sees every training sample but those of its fold.

    Folds are interleaved: sample i belongs to fold i modulo their number. All judges are trained on mixup of what
    they see, which keeps their probabilities honest between the classes.
    """
    seen = torch.arange(len(real)) % options.folds != fold
    part = Pool(real.images[seen], real.soft_labels[seen])
    shaped = sized(shape, options, fold)
    return fit(blended(part, options.fit.batch_size, seed), shaped, options.fit, seed, f"judge {fold}").model


def fit_examiner(held_out: Pool, shape: ClassifierShape, options: JudgeOptions, seed: int) -> Classifier:
    """A classifier trained on samples that no generator, judge or model has seen, to measure labels with.

    It takes no part in keeping or refusing; what it says of kept samples is an outsider's opinion.
    """
    shaped = sized(shape, options, 0)
    return fit(blended(held_out, options.fit.batch_size, seed), shaped, options.fit, seed, "examiner").model


def sized(shape: ClassifierShape, options: JudgeOptions, judge: int) -> ClassifierShape:
    """The shape of judge number `judge`: each has the next of the architectures."""
    return replace(shape, architecture=options.architectures[judge % len(options.architectures)])


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
