"""The attack suite: one attack after the other on the samples that still stand, and the worst of all a sample.

Its core is AutoAttack, Croce and Hein 2020, arXiv:2003.01690: APGD on cross-entropy, targeted APGD on DLR, targeted FAB
and Square, in our own implementation. Around it, what AutoAttack lacks: PGD with restarts, and transfer from a model
trained apart. A broken sample takes part in no further attack, so the cost falls with what is left.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor

import generators.attacks
from data.plugins import plugin
from generators.attacks import Attack
from generators.balls import lengths
from generators.margins import Model
from generators.options import Ball

TARGETS = 9
"""Other classes that targeted attacks aim at in turn, those of the highest logits (AutoAttack's number)."""
AT_ONCE = 500
"""Samples attacked together."""


@dataclass(frozen=True)
class Trial:
    """One attack of the suite."""

    name: str
    """As reports show it."""
    attack: str
    """A file of generators/attacks."""
    ball: Ball
    targets: int = 0
    """How many other classes are aimed at in turn; 0 for an untargeted attack."""
    transfer: bool = False
    """Attack the surrogate, and try what comes out on the model."""


def autoattack(ball: Ball, classes: int, *, fast: bool = False) -> tuple[Trial, ...]:
    """AutoAttack's four attacks, or its first two, within a ball, of which radius and norm count.

    DLR needs four classes to aim and three at all: with three it is untargeted, with two it is left out.
    """
    targets = min(TARGETS, classes - 1)
    gradual, queries = (replace(ball, steps=steps, restarts=1, stop_early=True) for steps in (100, 5000))
    aimed = targets if classes >= 4 else 0
    dlr = [Trial("apgd_dlr targeted" if aimed else "apgd_dlr", "apgd_dlr", gradual, aimed)]
    first = [Trial("apgd_ce", "apgd_ce", gradual), *(dlr if classes >= 3 else [])]
    if fast and classes >= 3:
        return tuple(first)
    return (*first, Trial("fab targeted", "fab", gradual, targets), Trial("square", "square", queries))


def beyond_autoattack(ball: Ball, *, surrogate: bool) -> tuple[Trial, ...]:
    """PGD with five starts and, where there is a surrogate, what breaks that one."""
    patient = replace(ball, steps=50, step_size=ball.epsilon / 10, restarts=5, stop_early=True)
    blind = replace(patient, restarts=1, stop_early=False)
    transfer = [Trial("transfer", "pgd", blind, transfer=True)] if surrogate else []
    return (Trial("pgd restarts", "pgd", patient), *transfer)


@dataclass
class Standing:
    """How far an evaluation is; all of it can be stored and taken up again.

    Attributes:
        x_adv: float (N, ...): of a broken sample what broke it, of any other the sample itself.
        broken_by: int64 (N,): number of the trial that broke it, -1 for a sample that stands, -2 for one that the model
            gets wrong without an attack.
        trial, batch: what comes next.
    """

    x_adv: Tensor
    broken_by: Tensor
    trial: int = 0
    batch: int = 0


@torch.no_grad()
def begin(model: Model, x: Tensor, y: Tensor) -> Standing:
    """The state before the first attack, for x, float (N, ...) in [0, 1], and y, int64 (N,)."""
    right = torch.cat([model(some).argmax(1) for some in torch.split(x, AT_ONCE)]) == y
    return Standing(x.clone(), torch.where(right, -1, -2))


def finish(
    standing: Standing,
    trials: Sequence[Trial],
    model: Model,
    x: Tensor,
    y: Tensor,
    *,
    surrogate: Model | None = None,
    after_batch: Callable[[Standing], None] = lambda _: None,
) -> Standing:
    """Attack what stands until every trial is done; changes and returns `standing`.

    The random numbers of a batch come from (trial, batch) alone, so that an evaluation taken up from a stored
    state ends like one that nobody disturbed.

    Args:
        x, y: all samples, float (N, ...) in [0, 1] and int64 (N,), as `begin` got them.
        surrogate: what `transfer` trials attack.
        after_batch: called with the state after each batch of each trial.
    """
    while standing.trial < len(trials):
        trial = trials[standing.trial]
        attacked = surrogate if trial.transfer else model
        if attacked is None:
            raise ValueError(f"trial {trial.name} attacks a surrogate, and none was given")
        stood = (standing.broken_by == -1) | (standing.broken_by == standing.trial)  # when this trial began
        batches = torch.split(stood.nonzero()[:, 0], AT_ONCE)
        for number in range(standing.batch, len(batches)):
            rng = _rng(standing.trial, number)
            _attack_rows(standing, trial, (model, attacked), x, y, batches[number], rng)
            standing.batch = number + 1
            after_batch(standing)
        standing.trial, standing.batch = standing.trial + 1, 0
        after_batch(standing)
    return standing


def _attack_rows(
    standing: Standing,
    trial: Trial,
    models: tuple[Model, Model],
    x: Tensor,
    y: Tensor,
    rows: Tensor,
    rng: torch.Generator,
) -> None:
    """Try a trial on rows, int64 (M,), of the samples; of `models` the first is to be broken, the second attacked."""
    attack, (model, attacked) = cast(Attack, plugin(generators.attacks, trial.attack)), models
    for rank in range(max(1, trial.targets)):
        if not len(rows):
            return
        y_target = _rival(model, x[rows], y[rows], rank) if trial.targets else None
        x_adv = attack(attacked, x[rows], y[rows], trial.ball, rng, y_target)
        broken = breaks(model, x_adv, x[rows], y[rows], trial.ball)
        standing.x_adv[rows[broken]], standing.broken_by[rows[broken]] = x_adv[broken], standing.trial
        rows = rows[~broken]


@torch.no_grad()
def breaks(model: Model, x_adv: Tensor, x: Tensor, y: Tensor, ball: Ball) -> Tensor:
    """Bool (N,): the model errs on x_adv, which does lie in the ball and in [0, 1]; no attack is trusted in this."""
    inside = lengths(x_adv - x, ball.norm) <= ball.epsilon + 1e-5
    flat = x_adv.flatten(1)
    return (model(x_adv).argmax(1) != y) & inside & (flat.amin(1) >= 0) & (flat.amax(1) <= 1)


@torch.no_grad()
def _rival(model: Model, x: Tensor, y: Tensor, rank: int) -> Tensor:
    """The other class of the (rank + 1)th highest logit at x, int64 (N,)."""
    return model(x).scatter(1, y[:, None], float("-inf")).argsort(1, descending=True)[:, rank]


def _rng(trial: int, batch: int) -> torch.Generator:
    digest = hashlib.sha256(f"0/{trial}/{batch}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)
