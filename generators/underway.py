"""What every GAN's training does at each step and keeps in its state."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

Average = Callable[[Iterable[Tensor]], None]
"""Replaces the gradients of a network's parameters by what all processes that train it have found together."""


def alone(_: Iterable[Tensor]) -> None:
    """The gradients of a training in one process, each of its parameter's shape: as they are."""


def update(optimiser: torch.optim.Optimizer, loss: Tensor, agree: Average = alone) -> None:
    """One step down the gradient of a loss, a scalar, once `agree` has averaged it over the processes."""
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    agree(optimiser.param_groups[0]["params"])
    optimiser.step()


@torch.no_grad()
def average(averaged: nn.Module, newest: nn.Module, decay: float) -> None:
    """Move averaged weights towards the newest by 1 - `decay`."""
    for old, new in zip(averaged.parameters(), newest.parameters(), strict=True):
        old.lerp_(new, 1 - decay)


def optimiser_tensors(optimisers: Sequence[torch.optim.Optimizer]) -> dict[str, Tensor]:
    """What the optimisers remember, as tensors named `optimiser.<number>.<row>.<slot>`."""
    return {
        f"optimiser.{number}.{row}.{slot}": value
        for number, optimiser in enumerate(optimisers)
        for row, slots in optimiser.state_dict()["state"].items()
        for slot, value in slots.items()
    }


def restore_optimisers(optimisers: Sequence[torch.optim.Optimizer], tensors: Mapping[str, Tensor]) -> None:
    """Put back what `optimiser_tensors` gave, each tensor in its shape."""
    for number, optimiser in enumerate(optimisers):
        slots: dict[int, dict[str, Tensor]] = {}
        for key, value in under(tensors, f"optimiser.{number}").items():
            row, slot = key.split(".")
            slots.setdefault(int(row), {})[slot] = value
        optimiser.load_state_dict({**optimiser.state_dict(), "state": slots})


def under(tensors: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    """The tensors named `<name>.<rest>`, of any shape, by the rest of their names."""
    return {key.removeprefix(f"{name}."): value for key, value in tensors.items() if key.startswith(f"{name}.")}
