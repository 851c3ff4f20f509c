"""Where networks are trained. What a device cannot do is refused, never done elsewhere or otherwise."""

from contextlib import AbstractContextManager, nullcontext

import torch


def must_be_a_device(name: str) -> None:
    """Check that torch knows a device of that name; whether there is one shows when it is used.

    Raises:
        ValueError: it does not.
    """
    try:
        torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"device must be what torch calls one, got {name!r}") from error


def autocast(device: torch.device, *, on: bool) -> AbstractContextManager[object]:
    """Within it, products of matrices and convolutions are computed in bfloat16, if it is `on`."""
    return torch.autocast(device.type, torch.bfloat16) if on else nullcontext()
