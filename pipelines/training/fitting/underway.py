"""A training under way: all its state, which goes to disk and comes back to the bit."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from data.errors import Damaged
from pipelines.training.devices import ALONE, Team
from pipelines.training.fitting.objectives import Memory
from pipelines.training.models import checkpoints
from pipelines.training.models.classifier import Classifier, ClassifierShape


@dataclass
class Training:
    """A classifier, its averaged weights, and what the next step depends on besides the batch."""

    model: Classifier
    averaged: Classifier
    optimiser: torch.optim.AdamW
    schedule: torch.optim.lr_scheduler.LRScheduler
    memory: Memory
    best: dict[str, Tensor] = field(default_factory=dict)
    """Averaged weights at the best look so far; empty before the first."""
    looks: list[tuple[int, float]] = field(default_factory=list)
    """Steps done, and robust accuracy of the averaged weights then."""
    team: Team = ALONE
    """The processes that train it together."""


@dataclass(frozen=True)
class Checkpoint:
    """Where a training's state lies, and what it must have been made from to be taken up again."""

    path: Path
    origin: Mapping[str, object]

    def save(self, training: Training) -> None:
        """Put the state aside, replacing what was there."""
        facts = {"origin": self.origin, "notes": training.memory.notes, "looks": training.looks}
        checkpoints.save(self.path, _tensors_of(training), facts)

    def restore(self, training: Training) -> None:
        """Put a training that has just begun into the state on disk; one of another origin is passed over.

        Raises:
            Damaged: the file holds no such state.
        """
        if not self.path.is_file():
            return
        tensors, facts = checkpoints.load(self.path)
        if facts.get("origin") != self.origin:
            return  # the training that begins now replaces it
        try:
            _restore(training, tensors, facts)
        except (KeyError, RuntimeError, ValueError, TypeError) as error:
            raise Damaged(f"{self.path} is no state of this training ({error}): delete it and run again") from error


def begin(
    shape: ClassifierShape,
    learning_rate: float,
    weight_decay: float,
    steps: int,
    seed: int,
    device: str,
    *,
    constant: bool = False,
) -> Training:
    """A training at step 0: AdamW under a one-cycle schedule with its peak at a tenth of the steps, or a constant rate.

    First weights and draws come from the CPU, so that a seed means the same on any device.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Classifier(shape).to(device)
    averaged = copy.deepcopy(model).eval().requires_grad_(False)
    optimiser = torch.optim.AdamW(model.parameters(), learning_rate, weight_decay=weight_decay)
    schedule: torch.optim.lr_scheduler.LRScheduler
    if constant:
        schedule = torch.optim.lr_scheduler.ConstantLR(optimiser, factor=1.0)
    else:
        total = max(11, steps + 1)  # with ten the rise would take no step, and divide by that
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, learning_rate, total_steps=total, pct_start=0.1)
    return Training(model, averaged, optimiser, schedule, Memory(torch.Generator().manual_seed(seed)))


def _tensors_of(training: Training) -> dict[str, Tensor]:
    tensors = {"step": torch.tensor(training.memory.step), "rng": training.memory.rng.get_state()}
    slots = training.optimiser.state_dict()["state"]
    parts = {
        "model": training.model.state_dict(),
        "averaged": training.averaged.state_dict(),
        "best": training.best,
        "memory": training.memory.tensors,
        "optimiser": {f"{row}.{slot}": value for row, held in slots.items() for slot, value in held.items()},
    }
    return tensors | {f"{part}.{name}": value for part, held in parts.items() for name, value in held.items()}


def _restore(training: Training, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
    device = next(training.model.parameters()).device
    training.model.load_state_dict(_under(tensors, "model"))
    training.averaged.load_state_dict(_under(tensors, "averaged"))
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in _under(tensors, "optimiser").items():
        row, slot = key.split(".")
        slots.setdefault(int(row), {})[slot] = value
    training.optimiser.load_state_dict({**training.optimiser.state_dict(), "state": slots})
    step = int(tensors["step"])
    if step:  # rates are a function of the step: take the step before, and step
        training.schedule.load_state_dict({"last_epoch": step - 1, "_step_count": step + 1})
        training.schedule.step()
    kept = {name: value.to(device) for name, value in _under(tensors, "memory").items()}
    training.memory = Memory(training.memory.rng, step, kept, dict(facts["notes"]))
    training.memory.rng.set_state(tensors["rng"])
    training.best = _under(tensors, "best")
    training.looks = [(int(at), float(found)) for at, found in facts["looks"]]


def _under(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
