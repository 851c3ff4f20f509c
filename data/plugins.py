"""A plug-in is a file: `package/name.py` exports `name`, and nothing else has to be edited."""

import importlib
import pkgutil
from types import ModuleType

from data.errors import WrongUse


def plugin_names(package: ModuleType) -> tuple[str, ...]:
    """The names that `plugin` finds in a package, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))


def plugin(package: ModuleType, name: str) -> object:
    """What the file `name` of `package` exports under its own name.

    Raises:
        WrongUse: there is no such file; the message lists those there are.
    """
    if name not in plugin_names(package):
        kind = package.__name__.replace(".", "/")
        raise WrongUse(f"no {name!r} in {kind}: there are {', '.join(plugin_names(package))}")
    return getattr(importlib.import_module(f"{package.__name__}.{name}"), name)
