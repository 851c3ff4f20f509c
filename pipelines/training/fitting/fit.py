"""Trains a classifier adversarially, by an objective of choice, with averaged weights and a look at held-out samples.

Weight averaging: Gowal et al. 2020, arXiv:2010.03593, table 5.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

import generators.attacks
import pipelines.training.fitting.objectives
from data.plugins import plugin
from data.records import Batch
from generators.attacks import Attack
from generators.options import Ball
from pipelines.training.devices import ALONE, Team
from pipelines.training.fitting.cost import GRADIENTS, count_gradients
from pipelines.training.fitting.objectives import Objective, Plan
from pipelines.training.fitting.options import FitOptions
from pipelines.training.fitting.underway import Checkpoint, Training, begin
from pipelines.training.fitting.watch import look
from pipelines.training.models.classifier import Classifier, ClassifierShape
from pipelines.training.progress import report

Batches = Callable[[int], tuple[Tensor, Tensor]]
"""Step -> images, float (B, C, H, W) in [0, 1], and soft labels, float (B, K)."""

CHECKPOINT_EVERY = 200
"""Steps."""


@dataclass(frozen=True)
class Fitted:
    """A trained classifier, in eval mode with its parameters frozen, and what is to be said of its training.

    Attributes:
        facts: `kept_step`, whose averaged weights these are; with a watch `looks`, pairs of step and robust accuracy;
            what the objective noted; `gradients`, samples that went forward and backward, attacks included.
    """

    model: Classifier
    facts: dict[str, object]


@dataclass(frozen=True)
class Beside:
    """What a training may have beside it.

    Attributes:
        held_out: what the watch looks at; without it, or with `watch.every` 0, the last weights are kept.
        checkpoint: where the state is put every 200 steps, and taken up again from.
        team: the processes that train together, each told the same; their batches are the whole team's.
    """

    held_out: Batch | None = None
    checkpoint: Checkpoint | None = None
    team: Team = ALONE


NOTHING = Beside()


def fit(
    batches: Batches, shape: ClassifierShape, options: FitOptions, seed: int, work: str, beside: Beside = NOTHING
) -> Fitted:
    """Train a classifier for `options.steps` steps.

    Args:
        batches: what each step sees.
        seed: of the first weights and of the attack's random starts.
        work: what progress is reported under.
    """
    team, checkpoint = beside.team, beside.checkpoint
    sized = replace(shape, features=options.features)
    options = replace(options, device=team.device_of(options.device), devices=1)
    training = _begun(sized, options, seed, team)
    if checkpoint is not None:
        checkpoint.restore(training)
    if not team.agrees(training.memory.step):
        training = _begun(sized, options, seed, team)
    counting = count_gradients(training.model, training.memory.notes)
    train_until(options.steps, training, batches, options, work, beside)
    counting.remove()
    training.memory.notes[GRADIENTS] = team.total(training.memory.notes[GRADIENTS])
    return _fitted(training)


def _begun(shape: ClassifierShape, options: FitOptions, seed: int, team: Team) -> Training:
    training = begin(shape, options.learning_rate, options.weight_decay, options.steps, seed, options.device)
    training.team = team
    team.seed(training.memory.rng, seed)
    return training


def train_until(
    step: int, training: Training, batches: Batches, options: FitOptions, work: str, beside: Beside = NOTHING
) -> None:
    """Take a training from where it stands to a step; see `fit`."""
    objective = cast(Objective, plugin(pipelines.training.fitting.objectives, options.objective))
    while (done := training.memory.step) < step:
        x, y = (training.team.share(part).to(options.device) for part in batches(done))
        loss = _advance(training, objective, x, y, options)
        if beside.held_out is not None and options.watch.due(done + 1, options.steps):
            _look(training, beside.held_out, options)
        if beside.checkpoint is not None and (done + 1) % CHECKPOINT_EVERY == 0:
            beside.checkpoint.save(training)
        report(work, done + 1, step, f"loss {loss:.3f}")


def _advance(training: Training, objective: Objective, x: Tensor, y: Tensor, options: FitOptions) -> float:
    attack = cast(Attack, plugin(generators.attacks, options.attack))
    plan = Plan(attack, _grown(options, training.memory.step), options.weight, options.replays)
    y = torch.lerp(y, torch.full_like(y, 1 / y.shape[1]), options.smoothing)
    loss = objective(training.model, x, y, plan, training.memory)
    training.optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    training.team.average(training.model.parameters())
    training.optimiser.step()
    training.schedule.step()
    step = training.memory.step
    _average(training.averaged, training.model, min(options.averaging, (1 + step) / (10 + step)))
    training.memory.step += 1
    return loss.item()


def _grown(options: FitOptions, step: int) -> Ball:
    share = min(1.0, (step + 1) / (options.ramp * options.steps)) if options.ramp else 1.0
    return replace(options.ball, epsilon=options.ball.epsilon * share, step_size=options.ball.step_size * share)


@torch.no_grad()
def _average(averaged: Classifier, newest: Classifier, decay: float) -> None:
    for old, new in zip(averaged.parameters(), newest.parameters(), strict=True):
        old.lerp_(new, 1 - decay)


def _look(training: Training, held_out: Batch, options: FitOptions) -> None:
    found = look(training.averaged, held_out, options.ball, options.watch)
    if found >= max((before for _, before in training.looks), default=0.0):  # of equals the later: better annealed
        training.best = {name: value.clone() for name, value in training.averaged.state_dict().items()}
    training.looks.append((training.memory.step, found))


def _fitted(training: Training) -> Fitted:
    facts: dict[str, object] = {"kept_step": training.memory.step, **training.memory.notes}
    if training.looks:
        training.averaged.load_state_dict(training.best)
        best = max(found for _, found in training.looks)
        facts |= {"kept_step": max(step for step, found in training.looks if found == best), "looks": training.looks}
    return Fitted(training.averaged.cpu(), facts)
