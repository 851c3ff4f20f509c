"""A plug-in is a file: `package/name.py` exports `name`, and nothing else has to be edited."""

import importlib
import importlib.util
import pkgutil
from types import ModuleType

from data.errors import WrongUse, alike


def plugin_names(package: ModuleType) -> tuple[str, ...]:
    """The names that `plugin` finds in a package, sorted."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(package.__path__)))


def names_of(package: str) -> tuple[str, ...]:
    """The same of a package by its dotted name, without importing it or anything in it."""
    found = importlib.util.find_spec(package)
    places = found.submodule_search_locations if found else None
    return tuple(sorted(module.name for module in pkgutil.iter_modules(places or [])))


def must_be_one_of(package: str, name: str) -> None:
    """Check that `plugin` will find a name in a package, without importing either.

    Raises:
        WrongUse: there is no such file; the message lists those there are, the most alike first.
    """
    if name not in (known := names_of(package)):
        there = f"there are {', '.join(known)}"
        asks = f"{meant} {there.capitalize()}" if (meant := alike(name, known)) else there
        raise WrongUse(f"no {name!r} in {package.replace('.', '/')}: {asks}")


def plugin(package: ModuleType, name: str) -> object:
    """What the file `name` of `package` exports under its own name.

    Raises:
        WrongUse: there is no such file; the message lists those there are.
    """
    must_be_one_of(package.__name__, name)
    return getattr(importlib.import_module(f"{package.__name__}.{name}"), name)
