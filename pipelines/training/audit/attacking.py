"""What worker processes do for an audit: one attack in one norm, the suite on what stands, corruptions, masking."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

import generators.attacks
from data.plugins import plugin
from data.records import Batch
from data.sources import SourceOptions
from generators.attacks import Attack
from generators.balls import lengths
from generators.margins import Model
from generators.masking import check_masking
from generators.neighbours import soft_neighbours
from generators.options import Ball, Norm
from pipelines.training.audit.options import AuditOptions
from pipelines.training.audit.rows import Finds, read_rows, smallest
from pipelines.training.evaluation.corrupted import accuracy_by_corruption, right_when_corrupted
from pipelines.training.evaluation.robustness import MASKING_SAMPLES, attacked
from pipelines.training.evaluation.suite import AT_ONCE, autoattack, beyond_autoattack, breaks
from pipelines.training.materialise import draft_rng
from pipelines.training.participants import model_of, samples
from pipelines.training.progress import report

NEAREST = ("deepfool", "fab", "cw")
"""Attacks that look for the nearest error wherever it is, so that one run gives every radius."""
LONGER = {"square": 10, "cw": 2}
"""Attacks whose steps are cheaper or smaller than others': how many times as many they take."""

NEIGHBOURS = 2000
"""Training samples that the surrogate for transfer knows, at most."""


@dataclass(frozen=True)
class Task:
    """What one worker is to look at."""

    run: Path
    source: SourceOptions
    options: AuditOptions
    seed: int
    norm: Norm = "linf"
    epsilon: float = 0.0
    """The radius that the figures are about."""

    @property
    def radii(self) -> list[float]:
        """Where attacks of fixed radius are tried, rising."""
        return self.options.radii(self.epsilon)

    def scene(self) -> tuple[Model, Batch]:
        """The model, and the samples it is attacked on: the first of the part, in the order of their keys."""
        batch = samples(self.run, self.options.part, self.source)
        return model_of(self.run), batch.rows(torch.arange(min(self.options.samples, len(batch))))


@torch.no_grad()
def answers_of(model: Model, x: Tensor) -> Tensor:
    """What the model says of float (N, C, H, W): int64 (N,)."""
    return torch.cat([model(some).argmax(1) for some in torch.split(x, AT_ONCE)])


def look(task: Task) -> dict[str, object]:
    """Clean answers: label and answer of each sample, and its key."""
    model, batch = task.scene()
    says = answers_of(model, batch.inputs["image"])
    return {"keys": list(batch.keys), "labels": batch.labels.tolist(), "says": says.tolist()}


def attack_alone(task: Task, attack: str, out: str) -> dict[str, object]:
    """Run one attack on every sample that the model has right, and keep what it found in the run's file `out`."""
    model, batch = task.scene()
    x, y = batch.inputs["image"], batch.labels
    finds = Finds(x, y, answers_of(model, x))
    run = cast(Attack, plugin(generators.attacks, attack))
    radii, name = [float("inf")] if attack in NEAREST else task.radii, f"{task.norm} {attack}"
    report(name, 0, len(radii))
    for done, radius in enumerate(radii):
        ball = _ball(task, attack, radius)
        for number, rows in enumerate(torch.split(finds.standing(radius), AT_ONCE)):
            if len(rows):
                rng = draft_rng(task.seed, f"audit/{task.norm}/{attack}/{radius}", number)
                _keep(finds, model, rows, x[rows], run(model, x[rows], y[rows], ball, rng), ball)
        report(name, done + 1, len(radii), f"{len(finds.standing(radius))} of {len(y)} stand at {radius:.3g}")
    finds.write(task.run / out)
    return {}


def _ball(task: Task, attack: str, radius: float) -> Ball:
    steps = task.options.steps * LONGER.get(attack, 1)
    return Ball(radius, task.norm, steps, min(1.0, radius / 4), stop_early=attack not in NEAREST)


def _keep(finds: Finds, model: Model, rows: Tensor, x: Tensor, x_adv: Tensor, ball: Ball) -> None:
    broken = breaks(model, x_adv, x, finds.y[rows], ball)
    far = lengths(x_adv - x, ball.norm).clamp_max(ball.epsilon)
    finds.add(rows[broken], x_adv[broken], far[broken], answers_of(model, x_adv)[broken])


def corrupt(task: Task) -> dict[str, object]:
    """Accuracy under common corruptions, in percent."""
    model, batch = task.scene()
    right = right_when_corrupted(model, batch.inputs["image"], batch.labels, task.seed)
    return {"accuracy": accuracy_by_corruption(right)}


def look_for_masking(task: Task) -> dict[str, object]:
    """Signs that the model hides its errors from attacks which follow its gradient."""
    model, batch = task.scene()
    x, y = (part[:MASKING_SAMPLES] for part in (batch.inputs["image"], batch.labels))
    rng = draft_rng(task.seed, "audit/masking", 0)
    report("masking", 0, 1)
    found = check_masking(model, x, y, Ball(task.epsilon, task.norm), stranger(task, _classes(model, x)), rng)
    report("masking", 1, 1, found.verdict)
    return asdict(found)


def stranger(task: Task, classes: int) -> Model:
    """Another classifier of the same inputs, for transfer: the soft neighbours among the training samples."""
    known = samples(task.run, "train", task.source)
    return soft_neighbours(known.inputs["image"][:NEIGHBOURS], known.labels[:NEIGHBOURS], classes)


@torch.no_grad()
def _classes(model: Model, x: Tensor) -> int:
    return model(x[:1]).shape[1]


def attack_survivors(task: Task, found: Sequence[str], state: str, out: str) -> dict[str, object]:
    """Run the suite on the samples that no attack of the run's files `found` broke within `task.epsilon`.

    Args:
        state: a file of the run, which takes a killed evaluation up where it was.
        out: a file of the run, for what the suite alone found.

    Returns:
        Attack -> how many of them it broke.
    """
    model, batch = task.scene()
    x, y = batch.inputs["image"], batch.labels
    finds = Finds(x, y, answers_of(model, x))
    others = torch.from_numpy(smallest([read_rows(task.run / name)[0] for name in found])[0].length)
    rows = (others > task.epsilon).nonzero()[:, 0]
    broken = _attack_rows(task, model, batch, rows, finds, state) if len(rows) else {}
    finds.write(task.run / out)
    (task.run / state).unlink(missing_ok=True)
    return {"broken": broken}


def _attack_rows(task: Task, model: Model, batch: Batch, rows: Tensor, finds: Finds, state: str) -> dict[str, int]:
    x = batch.inputs["image"]
    ball, classes = Ball(task.epsilon, task.norm), _classes(model, x)
    core = autoattack(ball, classes, fast=task.options.suite == "fast")
    trials = (*core, *beyond_autoattack(ball, surrogate=True))
    surrogate = stranger(task, classes)
    after = attacked(model, batch.rows(rows), trials, surrogate, task.run / state, f"{task.norm} suite")
    _keep(finds, model, rows, x[rows], after.x_adv, ball)
    return {trial.name: int((after.broken_by == at).sum()) for at, trial in enumerate(trials)}
