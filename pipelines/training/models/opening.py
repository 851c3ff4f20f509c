"""Opens a model that somebody brought: a `torch.export` program, or a Python factory and its weights."""

import importlib
from collections.abc import Sequence

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from data.errors import Damaged, WrongUse
from pipelines.training.models.descriptions import Description
from pipelines.training.models.locating import (
    ModelOptions,
    code_of,
    description_of,
    here_first,
    must_exist,
)
from pipelines.training.models.model_checks import must_fit, must_take, must_work
from pipelines.training.models.pt2 import load_exported


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


def _built(options: ModelOptions) -> nn.Module:
    """What the user's factory makes, with the weights of the file; this runs the user's code, as asked."""
    name, _, attribute = options.path.partition(":")
    code = code_of(options.path)
    with here_first():
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
