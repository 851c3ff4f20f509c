"""What nobody calls here but somebody imports."""

from torch import nn


class Absent(nn.Module):
    """Can be named and inherited from, not made."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()
        raise NotImplementedError(f"{type(self).__name__} is not in this stand-in for torchvision")


def absent(name: str) -> type[Absent]:
    """A class of that name.

    Raises:
        AttributeError: the name is not one of torchvision's but Python's own.
    """
    if name.startswith("__"):
        raise AttributeError(name)
    return type(name, (Absent,), {})
