"""Is a robust accuracy to be believed? Signs of gradient masking, each a small check with its reason and advice.

Athalye et al. 2018, arXiv:1802.00420, section 3.1; Carlini et al. 2019, arXiv:1902.06705, section 3; the flags of
Croce and Hein 2020, arXiv:2003.01690. docs/masking.md has a section for each check.

Checks that compare two attacks count only the samples that one of them alone broke, and doubt a split that a fair coin
would show less than once in a hundred times; so 7 samples to none are enough, and a few to a few never are.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor

from generators.aims import aim_of
from generators.ascent import auto_pgd
from generators.attacks import Attack
from generators.attacks.fgsm import fgsm
from generators.attacks.pgd import pgd
from generators.attacks.square import square
from generators.margins import Model, margins_of
from generators.options import Ball
from generators.pairs import chance_of
from generators.symptoms import (
    ALPHA,
    MaskingCheck,
    forward_computes_no_gradient,
    forward_repeats,
    gradient_is_there,
    gradients_of,
    more_than_a_point,
    outputs_are_logits,
)

STEPS = 40
"""Of PGD, each 2.5 / STEPS of the radius, as in Madry et al. 2018."""
QUERIES = 500
"""Of Square."""
RADII = (0.5, 1.0, 2.0)
"""Multiples of epsilon between which accuracy has to fall."""
AT_ONCE = 100
"""Samples attacked together."""


@dataclass(frozen=True)
class Masking:
    """Whether a robust accuracy is to be believed, and why not; `dataclasses.asdict` makes it JSON.

    Attributes:
        verdict: `unknown` of a model at chance, which has nothing right that it could seem to hold; `check_masking`,
            which does not ask how many classes there are, never says that.
        checks: what each check saw.
    """

    verdict: Literal["trusted", "suspicious", "unknown"]
    checks: tuple[MaskingCheck, ...]


@dataclass(frozen=True)
class Broken:
    """What several attacks broke of the same N samples, bool (N,) each.

    Attributes:
        single: one step, FGSM.
        iterated: the model's own gradient, followed up the cross-entropy (PGD) or up the negative margin (auto-PGD):
            smooth labels flatten the one, and large logits saturate it.
        transferred: PGD on the surrogate's gradient.
        queried: Square, which reads no gradient.
        by_radius: radius -> PGD; the last radius reaches every image there is.
    """

    single: Tensor
    iterated: Tensor
    transferred: Tensor
    queried: Tensor
    by_radius: Sequence[tuple[float, Tensor]]


def check_masking(model: Model, x: Tensor, y: Tensor, ball: Ball, surrogate: Model, rng: torch.Generator) -> Masking:
    """Look for signs that attacks which follow this model's gradient are led astray.

    Args:
        model: inputs (N, C, H, W) -> logits (N, K), in eval mode.
        x: samples, float (N, C, H, W) in [0, 1]; those that the model gets wrong are left out. One or two hundred do.
        y: labels, int64 (N,).
        ball: epsilon and norm of the robust accuracy in question; its other fields are not read.
        surrogate: a model trained apart, or `generators.neighbours.soft_neighbours`.
        rng: of random starts and of Square.

    Raises:
        ValueError: there is no sample.
    """
    if not len(x):
        raise ValueError("masking checks need at least one sample, got none")
    some = x[:AT_ONCE]
    checks = [look(model, some) for look in (outputs_are_logits, forward_repeats, forward_computes_no_gradient)]
    with torch.no_grad():
        right = torch.cat([model(part).argmax(1) for part in torch.split(x, AT_ONCE)]) == y
    if right.any():
        x, y = x[right], y[right]
        gradient = gradients_of(model, x[:AT_ONCE], y[:AT_ONCE])
        checks.append(gradient_is_there(gradient))
        if gradient is not None:
            checks += checks_of(try_attacks(model, x, y, ball, surrogate, rng))
    return Masking("trusted" if all(check.passed for check in checks) else "suspicious", tuple(checks))


def try_attacks(model: Model, x: Tensor, y: Tensor, ball: Ball, surrogate: Model, rng: torch.Generator) -> Broken:
    """Attack samples that the model gets right, float (N, C, H, W) in [0, 1], every way that the checks compare."""
    everything = 1.0 if ball.norm == "linf" else math.sqrt(x[0].numel())
    radii = [*(min(times * ball.epsilon, everything) for times in RADII), everything]

    def broken(
        attack: Attack, attacked: Model, epsilon: float, steps: int = STEPS, *, stop_early: bool = True
    ) -> Tensor:
        reach = Ball(epsilon, ball.norm, steps, 2.5 * epsilon / steps, stop_early=stop_early)
        return _broken(partial(attack, attacked, ball=reach, rng=rng), model, x, y)

    by_radius = tuple((epsilon, broken(pgd, model, epsilon)) for epsilon in radii)
    return Broken(
        single=broken(fgsm, model, ball.epsilon),
        iterated=by_radius[RADII.index(1.0)][1] | broken(_down_the_margin, model, ball.epsilon),
        transferred=broken(pgd, surrogate, ball.epsilon, stop_early=False),
        queried=broken(square, model, ball.epsilon, QUERIES),
        by_radius=by_radius,
    )


def _down_the_margin(
    model: Model, x: Tensor, y: Tensor, ball: Ball, rng: torch.Generator, y_target: Tensor | None = None
) -> Tensor:
    return auto_pgd(model, x, aim_of(x, y, y_target), ball, rng, lambda logits, aim: -margins_of(logits, aim.y))


def _broken(attack: Callable[[Tensor, Tensor], Tensor], model: Model, x: Tensor, y: Tensor) -> Tensor:
    out = []
    for some, labels in zip(torch.split(x, AT_ONCE), torch.split(y, AT_ONCE), strict=True):
        x_adv = attack(some, labels)
        with torch.no_grad():
            out.append(model(x_adv).argmax(1) != labels)
    return torch.cat(out)


def checks_of(broken: Broken) -> list[MaskingCheck]:
    """What the attacks' successes say."""
    return [
        many_steps_beat_one(broken),
        gradient_beats_transfer(broken),
        gradient_beats_queries(broken),
        accuracy_falls_with_epsilon(broken),
        everything_in_reach_breaks_all(broken),
    ]


def many_steps_beat_one(broken: Broken) -> MaskingCheck:
    """Iterating can only help, unless the loss is rough or flat around x."""
    return _compared(
        "many steps beat one",
        ("a single step (FGSM)", broken.single),
        (f"{STEPS} steps (PGD)", broken.iterated),
        "The loss is rough or flat around the samples. Take more steps and restarts, and find out what in the model "
        "does it before trusting any figure.",
    )


def gradient_beats_transfer(broken: Broken) -> MaskingCheck:
    """Who sees the model must not do worse than who sees another one."""
    return _compared(
        "gradient beats transfer",
        ("an attack on another model (transfer)", broken.transferred),
        ("an attack on the model itself (PGD)", broken.iterated),
        "The model's gradient leads away from errors that do exist. Count what transfer breaks as broken, and look for "
        "the part of the model that hides its gradient.",
    )


def gradient_beats_queries(broken: Broken) -> MaskingCheck:
    """Who sees the gradient must not do worse than who only asks."""
    return _compared(
        "gradient beats queries",
        (f"{QUERIES} queries without a gradient (Square)", broken.queried),
        ("an attack along the gradient (PGD)", broken.iterated),
        "The model's gradient leads away from errors that do exist. Count what Square breaks as broken, and give it "
        "thousands of queries.",
    )


def accuracy_falls_with_epsilon(broken: Broken) -> MaskingCheck:
    """What a ball holds, every larger one holds too."""
    steps = [
        (int((less & ~more).sum()), int((more & ~less).sum()), small, large)
        for (small, less), (large, more) in pairwise(broken.by_radius)
    ]
    lost, won, small, large = min(steps, key=lambda step: chance_of(step[0], step[1]))
    chance = min(1.0, len(steps) * chance_of(lost, won))
    return MaskingCheck(
        "accuracy falls with epsilon",
        chance >= ALPHA,
        {"only_smaller": lost, "only_larger": won, "smaller": small, "larger": large, "chance": chance},
        f"PGD broke {lost} samples at radius {small:.3g} alone and {won} at {large:.3g} alone.",
        "The attack loses itself where it has more room. Scale its step with epsilon and take more steps; if that does "
        "not help, the gradient far from the samples is of no use.",
    )


def everything_in_reach_breaks_all(broken: Broken) -> MaskingCheck:
    """With every image in reach, those of other classes are too: an attack that fails has only itself to blame."""
    radius, found = broken.by_radius[-1]
    standing, count = int((~found).sum()), len(found)
    chance = more_than_a_point(standing, count)
    return MaskingCheck(
        "everything in reach breaks all",
        chance >= ALPHA,
        {"standing": standing, "samples": count, "radius": radius, "chance": chance},
        f"With every image in reach, {standing} of {count} samples withstood PGD.",
        "No model withstands this, so the attack is blind: see what the other checks say, and try other losses, steps "
        "and restarts until this figure is 0.",
    )


def _compared(name: str, weaker: tuple[str, Tensor], stronger: tuple[str, Tensor], advice: str) -> MaskingCheck:
    only_weaker, only_stronger = int((weaker[1] & ~stronger[1]).sum()), int((stronger[1] & ~weaker[1]).sum())
    chance, count = chance_of(only_weaker, only_stronger), len(weaker[1])
    return MaskingCheck(
        name,
        chance >= ALPHA,
        {"only_weaker": only_weaker, "only_stronger": only_stronger, "samples": count, "chance": chance},
        f"Of {count} samples, {weaker[0]} broke {only_weaker} that {stronger[0]} did not, against {only_stronger} the "
        "other way round.",
        advice,
    )
