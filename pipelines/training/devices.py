"""Training on several devices: a process each, which sees its share of every batch; gradients are averaged each step.

Lightning Fabric starts the processes and adds up between them (NCCL on CUDA, gloo on CPUs).
"""

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Concatenate, ParamSpec, TypeVar, cast

import torch
from torch import Tensor
from torch.multiprocessing.spawn import ProcessExitedException

from data.errors import WrongUse
from pipelines.training.processes import WorkerLost

if TYPE_CHECKING:
    from lightning_fabric import Fabric

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class Team:
    """The processes that train one network together, and which of them this is; by itself it changes nothing."""

    rank: int = 0
    world: int = 1
    fabric: "Fabric | None" = None

    def device_of(self, device: str) -> str:
        """This process's device, of those of a kind."""
        return str(self.fabric.device) if self.fabric else device

    def share(self, rows: Tensor) -> Tensor:
        """This process's rows of a batch, float or int (N, ...)."""
        return rows[self.rank :: self.world]

    def average(self, parameters: Iterable[Tensor]) -> None:
        """Replace the gradients of a network's parameters, float of any shapes, by their mean over all processes."""
        if self.fabric is None:
            return
        gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
        flat = self._mean(torch.cat([gradient.flatten() for gradient in gradients]))
        sizes = [gradient.numel() for gradient in gradients]
        for gradient, mean in zip(gradients, torch.split(flat, sizes), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def total(self, value: float) -> float:
        """A number summed over all processes."""
        return self._mean(torch.tensor(value, dtype=torch.float64)).item() * self.world if self.fabric else value

    def seed(self, rng: torch.Generator, seed: int) -> None:
        """Let each process draw its own; the first one draws what one alone would."""
        if self.rank:
            rng.manual_seed(1_000_003 * seed + self.rank)

    def own(self, file: Path) -> Path:
        """Where this process puts a file that each has of its own; the first one has that very name."""
        return file.with_name(f"{file.stem}-{self.rank}{file.suffix}") if self.rank else file

    def agrees(self, step: int) -> bool:
        """Whether all processes stand at the same step; not so if they were killed between two that put it aside."""
        if self.fabric is None:
            return True
        mean, of_squares = self._mean(torch.tensor([step, step**2], dtype=torch.float64)).tolist()
        return bool(mean**2 == of_squares)

    def _mean(self, value: Tensor) -> Tensor:
        assert self.fabric is not None
        return cast(Tensor, self.fabric.all_reduce(value.to(self.fabric.device), reduce_op="mean"))


ALONE = Team()


def on_devices(
    count: int, device: str, work: Callable[Concatenate[Team, P], R], *args: P.args, **kwargs: P.kwargs
) -> R:
    """Do a module-level function's work in as many processes as there are devices.

    Args:
        count: devices; 1 does it here, alone.
        device: their kind, as cpu or cuda.
        work: told the team first; what the first process returns, no tensors, is returned.

    Raises:
        WorkerLost: one of the processes was killed.
        WrongUse: the package that it takes is not installed, there are fewer devices, or this is no place for it.
    """
    if count == 1:
        return work(ALONE, *args, **kwargs)
    try:
        from lightning_fabric import Fabric
    except ImportError as error:
        raise WrongUse("more than one device needs hardshard[devices]") from error
    if multiprocessing.current_process().daemon:
        raise WrongUse("a worker of a Dask cluster may start no processes: take operations.runner processes")
    if device == "cuda" and torch.cuda.device_count() < count:
        raise WrongUse(f"devices {count} were asked for, and there are {torch.cuda.device_count()} of kind cuda")
    os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    fabric = Fabric(accelerator=device, devices=count, strategy="ddp_spawn")
    try:
        return cast(R, fabric.launch(partial(_member, work, args, kwargs)))
    except ProcessExitedException as error:
        raise WorkerLost(f"one of {count} processes that train together was killed ({error}); run again") from error


def _member(work: Callable[..., R], args: tuple[object, ...], kwargs: dict[str, object], fabric: "Fabric") -> R:
    """One process of a team, which ends with the process that started it, however that ends."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    return work(Team(fabric.global_rank, fabric.world_size, fabric), *args, **kwargs)


def _end_with_parent() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        wait([parent.sentinel])
        os._exit(1)
