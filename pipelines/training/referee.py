"""Clean and robust accuracy by the reference AutoAttack, which shares no code with ours.

Croce and Hein 2020, arXiv:2003.01690, as published in the package pyautoattack. It reseeds the global random numbers
and removes trace functions, so it is called in a worker process only.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from data.errors import WrongUse
from data.records import Batch
from data.sources import Part, SourceOptions
from pipelines.training.classifier import Classifier, load_classifier
from pipelines.training.participants import samples, taken
from pipelines.training.progress import report

FAST = ("apgd-ce", "apgd-t")
STANDARD = ("apgd-ce", "apgd-t", "fab-t", "square")


@dataclass(frozen=True)
class EvaluationOptions:
    """What the arms of the comparison are measured by."""

    attacks: Literal["standard", "fast"] = "standard"
    """AutoAttack as published, or its first two attacks, APGD-CE and targeted APGD-DLR."""
    epsilon: float = 0.12
    """L-inf radius."""
    samples: int = 400
    """Test samples at most; the paired interval says what so many can show."""
    part: Literal["test", "validation"] = "test"
    """Tuning happens on the validation part; figures come from the test part."""

    def __post_init__(self) -> None:
        if not self.epsilon > 0:
            raise ValueError(f"evaluation.epsilon must be > 0, got {self.epsilon}")
        if not self.samples >= 1:
            raise ValueError(f"evaluation.samples must be >= 1, got {self.samples}")


@dataclass(frozen=True)
class Accuracy:
    """What one classifier does on each evaluation sample, in the order of the source.

    Attributes:
        clean, robust: a character a sample: 1 where it is right; robust means right on x and on every x_adv tried.
        warnings: what AutoAttack itself finds suspicious about the classifier.
    """

    clean: str
    robust: str
    warnings: tuple[str, ...]


def must_be_comparable(run: Path, part: Part) -> None:
    """Check before any work that the run's samples can be attacked at its end.

    Raises:
        WrongUse: there are fewer than four classes, or no samples to attack.
    """
    summary = taken(run).summary
    classes = len(summary.class_names)
    if classes < 4:
        raise WrongUse(f"AutoAttack's DLR loss needs at least 4 classes, this source has {classes}: {_BUILD}")
    if not any(summary.kept[part].values()):
        raise WrongUse(f"the {part} part of the source has no sample: see source.{part}_share, or {_BUILD}")


_BUILD = "`hardshard build` makes the shards without a comparison"


def judge_robustness(run: Path, name: str, source: SourceOptions, options: EvaluationOptions, work: str) -> Accuracy:
    """Attack the classifier in a run's file `name` on the evaluation samples.

    Raises:
        WrongUse: pyautoattack is not installed, or the source has fewer than four classes.
    """
    part: Part = options.part
    batch = samples(run, part, source)
    batch = batch.rows(torch.arange(min(options.samples, len(batch))))
    model = load_classifier(run / name)
    with torch.no_grad():
        clean = model(batch.inputs["image"]).argmax(1) == batch.labels
    x_adv, warnings = _attack(model, batch, options, work)
    return Accuracy(_flags(clean), _flags(clean & _right(model, batch, x_adv, options.epsilon)), warnings)


def _attack(
    model: Classifier, batch: Batch, options: EvaluationOptions, work: str
) -> tuple[Tensor, tuple[str, ...]]:
    try:
        from pyautoattack import AutoAttack  # 42 MB that only the referee needs
    except ImportError as error:
        raise WrongUse("AutoAttack is not installed: pip install --no-deps pyautoattack==0.2.0") from error
    others = model.shape.classes - 1
    if others < 3:
        raise WrongUse(f"AutoAttack's DLR loss needs at least 4 classes, this source has {others + 1}")
    names = list(STANDARD if options.attacks == "standard" else FAST)
    attacker = AutoAttack(model, eps=options.epsilon, norm="Linf", version="custom", attacks=names, seed=0)
    # What version="standard" sets, but for the number of targets, which it fixes at 9 for any number of classes.
    attacker.apgd.n_restarts = attacker.apgd_targeted.n_restarts = attacker.fab.n_restarts = 1
    attacker.apgd_targeted.n_target_classes = attacker.fab.n_target_classes = min(9, others)
    with _listening(work, len(names)) as log:
        x_adv = attacker.run_standard_evaluation(batch.inputs["image"], batch.labels, batch_size=500)[0]
    return x_adv, tuple(dict.fromkeys(log.warnings))


@torch.no_grad()
def _right(model: Classifier, batch: Batch, x_adv: Tensor, epsilon: float) -> Tensor:
    # Not trusting the attack: what left the ball or [0, 1] would be no adversarial example.
    x = batch.inputs["image"]
    honest = ((x_adv - x).abs() <= epsilon + 1e-5) & (x_adv >= 0) & (x_adv <= 1)
    if not honest.all():
        raise RuntimeError(f"the referee's attack left the ball of radius {epsilon}")
    right: Tensor = model(x_adv).argmax(1) == batch.labels
    return right


def _flags(right: Tensor) -> str:
    return "".join("1" if ok else "0" for ok in right.tolist())


class _Log(logging.Handler):
    """Listens to AutoAttack's logger, the only place where it says how far it is and what it doubts."""

    def __init__(self, work: str, attacks: int) -> None:
        super().__init__()
        self.work, self.attacks, self.done = work, attacks, 0
        self.warnings: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a warning; report a finished attack."""
        message = " ".join(record.getMessage().split())
        if record.levelno >= logging.WARNING:
            self.warnings.append(message)
        elif message.startswith("robust accuracy after"):
            self.done += 1
            report(self.work, self.done, self.attacks, message.split(" (")[0])


@contextmanager
def _listening(work: str, attacks: int) -> Iterator[_Log]:
    logger, log = logging.getLogger("auto-attack"), _Log(work, attacks)
    level, propagates = logger.level, logger.propagate
    logger.addHandler(log)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield log
    finally:
        logger.removeHandler(log)
        logger.setLevel(level)
        logger.propagate = propagates
