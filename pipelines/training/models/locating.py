"""Where a brought model lies and what is said of it; nothing here opens it, or needs torch."""

import importlib.util
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from data.errors import WrongUse
from data.files import digest_of, sha256_of
from pipelines.training.models.descriptions import Description, Names, Numbers, described

FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")

FOLDER = "brought"
OPTIONS, SIDECAR = f"{FOLDER}/options.json", f"{FOLDER}/model.json"


@dataclass(frozen=True)
class ModelOptions:
    """A model to attack instead of one trained here; the fields below `sidecar` say what the sidecar may say."""

    path: str = ""
    """A torch.export program, m.pt2, or module:factory; empty trains a classifier of our own."""
    weights: str = ""
    """Of module:factory: its weights, a safetensors file."""
    sidecar: str = ""
    """JSON that describes the model; empty for the one beside it: m.json."""
    low: float | None = None
    high: float | None = None
    mean: Numbers = ()
    std: Numbers = ()
    size: int = 0
    channels: int = 0
    class_names: Names = ()

    def __post_init__(self) -> None:
        if not self.path:
            if any(getattr(self, field.name) != field.default for field in fields(self)):
                raise ValueError("model.path is missing: the other options of the model say nothing without it")
        elif self.path.endswith(".pt2"):
            if self.weights:
                raise ValueError(f"model.weights is for module:factory, {self.path} holds its own")
        elif not FACTORY.fullmatch(self.path):
            raise ValueError(f"model.path must be a torch.export program, .pt2, or module:factory, got {self.path!r}")
        elif not self.weights:
            raise ValueError(f"model.weights is missing: the safetensors file of {self.path}")

    @property
    def file(self) -> Path:
        """The program, or the weights."""
        return Path(self.weights or self.path)


def must_exist(options: ModelOptions) -> None:
    """Check before any work that the model's file is there.

    Raises:
        WrongUse: it is not.
    """
    if options.path and not options.file.is_file():
        raise WrongUse(
            f"there is no file {options.file}, which --model.{'weights' if options.weights else 'path'} names"
        )


def description_of(options: ModelOptions) -> Description:
    """What the model's sidecar and options say.

    Raises:
        WrongUse: one of them says what cannot be.
    """
    sidecar = Path(options.sidecar) if options.sidecar else options.file.with_suffix(".json")
    said = {field.name: getattr(options, field.name) for field in fields(Description)}
    return described(sidecar, said, must_exist=bool(options.sidecar))


def digest_of_model(options: ModelOptions) -> str:
    """SHA-256, in hex, over all that decides what the model answers: its file, what is said of it, its factory's code.

    Of the code it is the factory's own file, not what that imports.

    Raises:
        WrongUse: a file of it is not there.
    """
    must_exist(options)
    parts: dict[str, object] = {"file": sha256_of(options.file), "description": asdict(description_of(options))}
    if options.weights:
        parts |= {"factory": options.path, "code": sha256_of(code_of(options.path))}
    return digest_of(parts)


def code_of(factory: str) -> Path:
    name = factory.partition(":")[0]
    with here_first():
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError) as error:
            raise WrongUse(f"{factory}: no module {name} in {Path.cwd()} or on sys.path ({error})") from error
    if found is None or found.origin is None or not Path(found.origin).is_file():
        raise WrongUse(f"{factory}: no module {name} in {Path.cwd()} or on sys.path")
    return Path(found.origin)


@contextmanager
def here_first() -> Iterator[None]:
    """Look modules up in the current folder first."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)


def files_of(options: ModelOptions) -> list[str]:
    """The files of a brought model within the run."""
    return [copy_of(options), SIDECAR, OPTIONS]


def copy_of(options: ModelOptions) -> str:
    """The run's copy of the program, or of the weights."""
    return f"{FOLDER}/model{options.file.suffix}"


def is_brought(run: Path) -> bool:
    """Whether the run's model was brought to it."""
    return (run / OPTIONS).is_file()
