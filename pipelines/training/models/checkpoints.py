"""Networks on disk: safetensors, no pickle, with what is needed to build the network again in the header."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from data.errors import Damaged
from data.files import write_atomically


def save(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, object]) -> str:
    """Write named tensors of any shape, and JSON facts; returns the file's SHA-256. Same content, same bytes."""
    # One entry only: the order of several in the header is not fixed.
    header = {"facts": json.dumps(facts, sort_keys=True)}
    contiguous = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    return write_atomically(path, safetensors.torch.save(contiguous, header))


def load(path: Path) -> tuple[dict[str, Tensor], dict[str, object]]:
    """The tensors and facts of a checkpoint.

    Raises:
        Damaged: the file is missing, cut short, or no checkpoint of ours.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # no mapping
            return tensors, json.loads(file.metadata()["facts"])
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise Damaged(f"{path} is no readable checkpoint ({error}): delete it and run again") from error


def take_up(path: Path, origin: Mapping[str, object], restore: Callable[[Mapping[str, Tensor]], None]) -> None:
    """Put a training that has just begun into the state of its last checkpoint, if there is one of the same origin.

    Args:
        path: of the checkpoint.
        origin: what the training is made from; a checkpoint of another one is left to be replaced.
        restore: takes the tensors of a state, of any shapes, and puts the training into it.

    Raises:
        Damaged: the file is no state of this training.
    """
    if not path.is_file():
        return
    tensors, made_from = load(path)
    if made_from != origin:
        return
    try:
        restore(tensors)
    except (KeyError, RuntimeError, ValueError) as error:
        raise Damaged(f"{path} is no state of this training ({error}): delete it and run again") from error
