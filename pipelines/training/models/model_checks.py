"""Whether a model that was brought can be attacked on a source's images; each refusal says what to do."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.fx import GraphModule

from data.errors import WrongUse
from pipelines.training.models.descriptions import Description

DYNAMIC = (
    "export it with a dynamic batch, dynamic_shapes=({0: torch.export.Dim('batch')},), and x.shape[0] for len(x), "
    "which torch.export takes for a constant"
)
ROWS = 3
"""The largest batch that is tried."""


def must_fit(name: str, description: Description, shape: Sequence[int], class_names: Sequence[str]) -> list[int]:
    """Check what is said of a model against the source.

    Args:
        name: the model's, for messages.
        description: what is said.
        shape: of the source's images: channels, height, width.
        class_names: the source's.

    Returns:
        For each class of the source its place among the model's logits.

    Raises:
        WrongUse: it is of another size, or has other classes.
    """
    channels, height, width = shape
    here = f"the source's are {channels} x {height} x {width}"
    if description.size and (height, width) != (description.size, description.size):
        raise WrongUse(f"{name} takes images of size {description.size}, {here}: --source.size {description.size}")
    if description.channels not in (0, channels):
        said = description.channels
        raise WrongUse(f"{name} takes images of {said} channels, {here}: --source.channels {said}")
    if len(description.mean) not in (0, channels):
        raise WrongUse(f"{name} has a mean for {len(description.mean)} channels, {here}")
    theirs = description.class_names or tuple(class_names)
    if sorted(theirs) != sorted(class_names):
        raise WrongUse(
            f"{name} has the classes {_some(theirs)}, the source {_some(class_names)}: they must be the same"
        )
    return [theirs.index(class_name) for class_name in class_names]


def must_take(name: str, program: GraphModule, shape: Sequence[int]) -> None:
    """Check that an exported program takes one tensor, of the source's images and any number of them.

    Raises:
        WrongUse: it does not.
    """
    inputs = [node.meta.get("val") for node in program.graph.nodes if node.op == "placeholder"]
    if len(inputs) != 1 or not isinstance(inputs[0], Tensor):
        raise WrongUse(f"{name} takes {len(inputs)} inputs; it must take one tensor, the images")
    batch, *image = inputs[0].shape if inputs[0].ndim else [0]
    if isinstance(batch, int):
        raise WrongUse(f"{name} was exported for batches of {batch} only: {DYNAMIC}")
    if len(image) != len(shape) or any(isinstance(a, int) and a != b for a, b in zip(image, shape, strict=True)):
        channels, *size = image if len(image) == 3 else [0]
        mend = f": --source.size {size[0]} --source.channels {channels}" if len(set(map(str, size))) == 1 else ""
        raise WrongUse(f"{name} takes images of {_by(image)}, the source's are {_by(shape)}{mend}")


def must_work(name: str, model: Callable[[Tensor], Tensor], shape: Sequence[int], classes: int) -> None:
    """Call a model as attacks will.

    Args:
        name: the model's, for messages.
        model: float (N, C, H, W) in [0, 1] -> float (N, K).
        shape: C, H, W.
        classes: K.

    Raises:
        WrongUse: it fails, answers by chance or with probabilities, or lets no gradient through.
    """
    x = torch.rand(ROWS, *shape, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        answers = [_answer(name, model, x[:rows], classes) for rows in (ROWS, 1, 2, ROWS)]
    logits = answers[0]
    if not logits.isfinite().all():
        raise WrongUse(f"{name} answers with {logits[~logits.isfinite()][0].item()}: is its input range right?")
    if not torch.equal(logits, answers[-1]):
        raise WrongUse(f"{name} answers the same images differently: call model.eval() before torch.export.export")
    loose = 1e-3 * (1 + logits.abs().max())
    for fewer in answers[1:-1]:
        if not ((fewer - logits[: len(fewer)]).abs() <= loose).all():
            mend = "call model.eval() before torch.export.export (batch norm in training mode does this)"
            raise WrongUse(f"{name} answers an image differently in another batch: {mend}")
    if (logits >= 0).all() and ((logits.sum(1) - 1).abs() < 1e-4).all():
        raise WrongUse(f"{name} answers with probabilities: take its softmax away, attacks need the logits before it")
    _must_differentiate(name, model, x)


def _answer(name: str, model: Callable[[Tensor], Tensor], x: Tensor, classes: int) -> Tensor:
    try:
        logits = model(x)
    except Exception as error:  # theirs
        told = " ".join(str(error).split())[:300]
        raise WrongUse(f"{name} fails on {_by(x.shape)}: {type(error).__name__}: {told}") from error
    shape = _by(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
    if shape != _by((len(x), classes)):
        raise WrongUse(
            f"{name} answers {_by(x.shape)} with {shape}; it must be {_by((len(x), classes))}: "
            f"a logit for each of the source's {classes} classes"
        )
    return logits


def _must_differentiate(name: str, model: Callable[[Tensor], Tensor], x: Tensor) -> None:
    wanted = x.clone().requires_grad_(True)
    logits = model(wanted)
    weights = torch.arange(1.0, 1 + logits.shape[1])  # a plain sum may be the same for all images
    gradient = torch.autograd.grad((logits * weights).sum(), wanted, allow_unused=True)[0] if logits.grad_fn else None
    if gradient is None or not gradient.any():
        raise WrongUse(f"{name} lets no gradient reach its input: no argmax, round, detach or no_grad on the way")
    if not gradient.isfinite().all():
        raise WrongUse(f"{name} has gradients that are not finite: {gradient[~gradient.isfinite()][0].item()}")


def _by(shape: Sequence[object]) -> str:
    return " x ".join(str(length) for length in shape)


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:12]) + (f" ... ({len(names)})" if len(names) > 12 else "")
