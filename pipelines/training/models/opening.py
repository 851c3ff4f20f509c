"""Opens a model that somebody brought: a `torch.export` program, or a Python factory and its weights."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from data.errors import Damaged, WrongUse
from data.files import digest_of, sha256_of
from pipelines.training.models.descriptions import Description, Names, Numbers, described
from pipelines.training.models.model_checks import must_fit, must_take, must_work
from pipelines.training.models.pt2 import load_exported

FACTORY = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


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


class BroughtModel(nn.Module):
    """Images, float (N, C, H, W) in [0, 1] -> logits, float (N, K) in the source's order of classes.

    It stays in eval mode, its parameters are frozen, gradients reach the images.
    """

    scale: Tensor
    shift: Tensor
    order: Tensor

    def __init__(self, inner: nn.Module, description: Description, channels: int, order: Sequence[int]) -> None:
        super().__init__()
        self.inner = inner.requires_grad_(False)
        scale, shift = description.scale_and_shift(channels)
        self.register_buffer("scale", torch.tensor(scale)[:, None, None])
        self.register_buffer("shift", torch.tensor(shift)[:, None, None])
        self.register_buffer("order", torch.tensor(list(order)))
        self.training = False

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1], on any device -> float (N, K), on the same."""
        return self.answer(x)[:, self.order].float().to(x.device)

    def answer(self, x: Tensor) -> Tensor:
        """What the model itself says of float (N, C, H, W) in [0, 1]: logits in its own order of classes."""
        logits: Tensor = self.inner(x.to(self.scale.device) * self.scale + self.shift)
        return logits

    def train(self, mode: bool = True) -> "BroughtModel":  # noqa: ARG002
        """Stay in eval mode, whatever is asked: a model under attack must answer alike each time."""
        return self


def open_model(options: ModelOptions, shape: Sequence[int], class_names: Sequence[str]) -> BroughtModel:
    """The model, checked to be one that can be attacked on these images.

    Args:
        options: where it lies, and what is said of it.
        shape: of the source's images: channels, height, width.
        class_names: the source's.

    Raises:
        WrongUse: it does not suit the source, or is not in eval mode, not differentiable, not without softmax.
        Damaged: its file cannot be read, or could run code.
    """
    must_exist(options)
    description = description_of(options)
    order = must_fit(options.path, description, shape, class_names)
    if options.weights:
        inner = _built(options)
    else:
        inner = load_exported(options.file)
        must_take(options.path, inner, shape)
    model = BroughtModel(inner, description, shape[0], order)
    must_work(options.path, model.answer, shape, len(class_names))
    return model


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
        parts |= {"factory": options.path, "code": sha256_of(_code_of(options.path))}
    return digest_of(parts)


def _code_of(factory: str) -> Path:
    name = factory.partition(":")[0]
    with _here_first():
        try:
            found = importlib.util.find_spec(name)
        except (ImportError, ValueError) as error:
            raise WrongUse(f"{factory}: no module {name} in {Path.cwd()} or on sys.path ({error})") from error
    if found is None or found.origin is None or not Path(found.origin).is_file():
        raise WrongUse(f"{factory}: no module {name} in {Path.cwd()} or on sys.path")
    return Path(found.origin)


def _built(options: ModelOptions) -> nn.Module:
    """What the user's factory makes, with the weights of the file; this runs the user's code, as asked."""
    name, _, attribute = options.path.partition(":")
    code = _code_of(options.path)
    with _here_first():
        try:
            made: object = getattr(importlib.import_module(name), attribute)()
        except Exception as error:  # theirs
            raise WrongUse(f"{options.path} in {code} fails: {type(error).__name__}: {error}") from error
    if not isinstance(made, nn.Module):
        raise WrongUse(f"{options.path} in {code} must return a torch.nn.Module, got {type(made).__name__}")
    try:
        safetensors.torch.load_model(made, options.weights)
    except SafetensorError as error:
        raise Damaged(f"{options.weights} is no safetensors file ({error}): safetensors.torch.save_model") from error
    except RuntimeError as error:
        told = " ".join(str(error).split())[:400]
        raise WrongUse(f"{options.weights} does not fit what {options.path} makes: {told}") from error
    return made.eval()


@contextmanager
def _here_first() -> Iterator[None]:
    """Look modules up in the current folder first."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        yield
    finally:
        sys.path.remove(here)
