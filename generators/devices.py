"""Where networks are trained. What a device cannot do is refused, never done elsewhere or otherwise."""

from contextlib import AbstractContextManager, nullcontext

import torch


def autocast(device: torch.device, *, on: bool) -> AbstractContextManager[object]:
    """Within it, products of matrices and convolutions are computed in bfloat16, if it is `on`."""
    return torch.autocast(device.type, torch.bfloat16) if on else nullcontext()
