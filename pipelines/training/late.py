"""Modules that are imported when something of them is called: whoever asks what is to be done need not load torch.

if TYPE_CHECKING:
    from pipelines.training import work
else:
    work = Late("pipelines.training.work")
"""

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Late:
    """A module; its attributes are `LateCall`s."""

    module: str

    def __getattr__(self, name: str) -> "LateCall":
        if name.startswith("__"):  # what pickle and copy look for
            raise AttributeError(name)
        return LateCall(self.module, name)


@dataclass(frozen=True)
class LateCall:
    """A function of a module, found when it is called, be it in another process."""

    module: str
    name: str

    def __call__(self, *args: object, **kwargs: object) -> object:
        """What the function returns."""
        return getattr(importlib.import_module(self.module), self.name)(*args, **kwargs)
