"""Latent walks on one modality of pairs: who is attacked, how one is made, and how hard what it leaves is."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from data.records import Verdict
from generators.along import Fused, along
from generators.margins import outside_band
from generators.pair_walk import walk_one
from generators.paired_networks import PairGenerator
from generators.synthesis import Made, Real
from pipelines.recipes import Recipe
from pipelines.training.models.fusion import Fusion, load_fusion
from pipelines.training.synthesis.fitting import conditions_of
from pipelines.training.synthesis.options import Head
from pipelines.training.synthesis.places import ATTACKED, file_of

Walk = Callable[[Real], Made]
"""Real events -> the same with one part made anew."""


def attacked(run: Path) -> Fusion:
    """The model of both parts whose boundary is walked to."""
    return load_fusion(run / file_of(ATTACKED))


def walk_of(recipe: Recipe, run: Path, way: str, generator: PairGenerator, rng: torch.Generator) -> Walk:
    """How one walks on a way, against one of the heads of the run's model."""
    model, options, (name, form) = (
        attacked(run),
        recipe.synthesis.walk.as_search(),
        next(iter(generator.shape.forms.items())),
    )
    head = head_of(model, name, recipe.synthesis.walk.head)

    def walk(real: Real) -> Made:
        under = along(head, model.holding(real.events.inputs, name), name, form)
        made = walk_one(under, generator, real, conditions_of(recipe, run, way, real.events), options, rng)
        return replace(made, told={"disagree": disagreeing(model, made).float()})

    return walk


def head_of(model: Fusion, name: str, head: Head) -> Fused:
    """The model as its joint head has it, or as the own head of a modality has."""
    return model if head == "joint" else partial(_alone, model, name)


def _alone(model: Fusion, name: str, x: Mapping[str, Tensor]) -> Tensor:
    """Float (N, K)."""
    return model.opinions({name: x[name]}).alone[name]


@torch.no_grad()
def disagreeing(model: Fusion, made: Made) -> Tensor:
    """Bool (N,): the model's own heads of two modalities name different classes."""
    first, *others = (said.argmax(1) for said in model.opinions(made.x).alone.values())
    return torch.stack([said != first for said in others]).any(0)


def in_band(made: Made, band: float) -> Verdict:
    """Accept margins from -`band` to `band`, in logits; what was not made against a model is not asked."""
    if made.margins is None:
        return Verdict(("",) * len(made.labels), {})
    _, after = made.margins
    return Verdict.of("margin_band", ~outside_band(after, band), after)


def hardness_of(made: Made, model: Fusion, band: float) -> dict[str, dict[str, float]]:
    """How hard walked events are, and what they were before the walk: shares of them.

    Returns:
        `walked` and `unwalked`, each with `in_band`, the margin walked to being within the band; `errs`, the
        model naming another class than the label; `disagree`, see `disagreeing`.
    """
    both = {"walked": made, "unwalked": _before_walk(made)}
    return {name: _hard(some, model, band) for name, some in both.items()}


def _before_walk(made: Made) -> Made:
    """The same events where their walks began."""
    margins = None if made.margins is None else (made.margins[0],) * 2
    return replace(made, x=made.starts, margins=margins)


@torch.no_grad()
def _hard(made: Made, model: Fusion, band: float) -> dict[str, float]:
    flags = {
        "in_band": in_band(made, band).accepted,
        "errs": model(made.x).argmax(1) != made.labels,
        "disagree": disagreeing(model, made),
    }
    return {name: flag.float().mean().item() for name, flag in flags.items()}
