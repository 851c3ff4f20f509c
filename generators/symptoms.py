"""What a look at the model shows of gradient masking, before any attack; docs/masking.md tells each check's story."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeVar

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from generators.aims import aim_of, climbed, cross_entropy
from generators.margins import Model
from generators.pairs import chance_of

ALPHA = 0.01
"""How often a check that counts samples may raise a false alarm, at most."""
POINT = Fraction(1, 100)
"""The share of samples that does not matter: one point of accuracy."""
REPEATS = 4
"""How often the model is asked again."""
ROUNDING = 2.0**-8
"""Share of the largest logit by which answers may differ: four times the precision of TF32, in which GPUs convolve."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class MaskingCheck:
    """One sign of gradient masking that was looked for.

    Attributes:
        name: the heading of its section in docs/masking.md.
        passed: the sign is absent.
        figures: what was counted or measured.
        reason: what was seen, a sentence.
        advice: what to do where it did not pass.
    """

    name: str
    passed: bool
    figures: Mapping[str, float]
    reason: str
    advice: str


def more_than_a_point(count: int, total: int) -> float:
    """Probability that `count` or more of `total` samples show what one in a hundred does."""
    return chance_of(count, total - count, POINT)


@torch.no_grad()
def outputs_are_logits(model: Model, x: Tensor) -> MaskingCheck:
    """Probabilities instead of logits flatten the gradient and blind losses on margins; asks about float (N, ...)."""
    logits = model(x)
    off = float((logits.sum(1) - 1).abs().max())
    masked = bool(((logits >= 0) & (logits <= 1)).all()) and off < torch.finfo(logits.dtype).eps ** 0.5
    seen = "lie in [0, 1] and add up to 1, like probabilities" if masked else "are no probabilities"
    advice = "Attack the model without its last softmax: wrap it so that it returns logits."
    return MaskingCheck("outputs are logits", not masked, {"sum_off_one": off}, f"The outputs {seen}.", advice)


@torch.no_grad()
def forward_repeats(model: Model, x: Tensor) -> MaskingCheck:
    """A forward that draws, or lets rows of a batch influence each other, gives gradients of something else.

    Asks about float (N, ...).
    """
    logits = model(x)
    again = [torch.cat([model(half) for half in torch.split(x, (len(x) + 1) // 2)]) for _ in range(REPEATS)]
    off = max(float((other - logits).abs().max()) for other in again)
    changed = sum(int((other.argmax(1) != logits.argmax(1)).sum()) for other in again)
    passed = off <= max(ROUNDING, torch.finfo(logits.dtype).eps ** 0.5) * float(logits.abs().max())
    seen = "the same" if passed else f"other logits, by up to {off:.3g}, and {changed} other classes,"
    return MaskingCheck(
        "forward repeats",
        passed,
        {"largest_difference": off, "classes_changed": changed},
        f"Asked {REPEATS} more times about {len(x)} samples, in two batches, the model said {seen}.",
        "Call model.eval(); if the noise is meant as a defence, attack the mean over many draws "
        "(EOT, Athalye et al. 2018) and report how many.",
    )


def forward_computes_no_gradient(model: Model, x: Tensor) -> MaskingCheck:
    """A forward that optimises hides from the attack what its optimisation undoes; asks about float (N, ...)."""
    spy = _Spy()
    with torch.no_grad(), spy:
        model(x[:1])
    seen = f"asked autograd for a gradient {spy.calls} times" if spy.calls else "asked for no gradient"
    return MaskingCheck(
        "forward computes no gradient",
        not spy.calls,
        {"gradients_in_forward": spy.calls},
        f"For one sample the forward pass {seen}.",
        "A forward pass that optimises needs an attack made for it: evaluate the same model without that part as well "
        "(Croce et al. 2022), and report the lower figure.",
    )


def gradients_of(model: Model, x: Tensor, y: Tensor) -> Tensor | None:
    """The cross-entropy's gradient at each of float (N, ...), of the same shape; None where autograd has none."""
    try:
        return climbed(model, x, aim_of(x, y, None), cross_entropy)[2]
    except RuntimeError:  # what autograd raises where nothing leads back to x
        return None


def gradient_is_there(gradient: Tensor | None) -> MaskingCheck:
    """Where the gradient is zero or no number, an attack that follows it stands still.

    Args:
        gradient: float (N, ...), at samples that the model gets right, or None where it could not be had.
    """
    lost, count, seen = 1, 1, "could not be had: nothing leads back from the outputs to the inputs"
    if gradient is not None:
        flat = gradient.flatten(1)
        lost, count = int((~flat.isfinite().all(1) | (flat == 0).all(1)).sum()), len(flat)
        seen = f"is zero or no number at {lost} of {count} samples"
    chance = more_than_a_point(lost, count) if gradient is not None else 0.0
    return MaskingCheck(
        "gradient is there",
        chance >= ALPHA,
        {"without_gradient": lost, "samples": count, "chance": chance},
        f"The gradient of the cross-entropy {seen}.",
        "Look for rounding, thresholds, detach() and no_grad() in the forward pass, and for logits so large that the "
        "softmax saturates: divide those by a constant, and give attacks a smooth stand-in for a step (BPDA).",
    )


class _Spy(TorchFunctionMode):
    """Counts the gradients that are asked for while it is on, whichever way the caller imported them."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def __torch_function__(
        self,
        func: Callable[..., Result],
        types: object,
        args: tuple[object, ...] = (),
        kwargs: Mapping[str, object] | None = None,
    ) -> Result:
        self.calls += func in (torch.autograd.grad, torch.autograd.backward, Tensor.backward)
        return func(*args, **(kwargs or {}))
