"""Accuracy of a classifier of events, by modality: attacked in one, without one, attacked in all, and how they agree.

One source: Yang et al. 2021, arXiv:2206.12714; several at once: Tian and Xu 2021, arXiv:2104.02000.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from data.modalities import modality
from data.records import Batch
from generators.along import Fused, Together, along, attack_along
from generators.attacks import Attack
from generators.attacks.apgd_ce import apgd_ce
from generators.attacks.apgd_dlr import apgd_dlr
from generators.attacks.pgd import pgd
from generators.options import Ball
from pipelines.recipes import Recipe
from pipelines.training.events.attacking import Pick, attacks_of, by_itself
from pipelines.training.events.losses import divergence
from pipelines.training.events.options import EventOptions
from pipelines.training.events.participants import events
from pipelines.training.models.fusion import Fusion, Inputs, load_fusion
from pipelines.training.progress import report

LABEL = "label"
"""Under which an adaptive attack finds the label of each event among its inputs."""


@dataclass(frozen=True)
class Trial:
    """One attack: what it climbs, which for an adaptive one is not the classifier's own answer."""

    name: str
    attack: Attack
    fused: Fused
    ball: Ball


@dataclass(frozen=True)
class Found:
    """What attacks on one modality did to N events.

    Attributes:
        robust: bool (N,), right on the event itself and on everything tried.
        worst: modality -> x (N, ...): what broke an event, or else the event.
        broken: attack -> events that it broke of those that the attacks before it had left.
    """

    robust: Tensor
    worst: Mapping[str, Tensor]
    broken: Mapping[str, int]


@dataclass(frozen=True)
class Accuracy:
    """What one classifier does on each event; of every figure a character an event, 1 where it is right.

    Attributes:
        clean: on real events.
        single: modality -> when that one alone is attacked, by several attacks; right on all of them.
        without: modality -> when that one is missing, which is the ceiling of `single`.
        multi: when all are attacked together, each in its own ball.
        agree: `clean`, or an attacked modality -> share of events in which the predictions from each modality alone
            agree.
        divergence: likewise, the mean symmetric Kullback-Leibler divergence of these predictions, in nats.
        broken: modality -> attack -> events that it broke of those that the attacks before it had left.
    """

    clean: str
    single: Mapping[str, str]
    without: Mapping[str, str]
    multi: str
    agree: Mapping[str, float]
    divergence: Mapping[str, float]
    broken: Mapping[str, Mapping[str, int]]


def measure(recipe: Recipe, run: Path, file: str) -> dict[str, object]:
    """Measure the classifier in a run's file on events of `evaluation.part`; returns an `Accuracy` as JSON."""
    model, batch = load_fusion(run / file), events(run, recipe.evaluation.part, recipe.source)
    order = torch.randperm(len(batch), generator=torch.Generator().manual_seed(0))
    some = batch.rows(order[: recipe.events.samples])
    return asdict(accuracy_of(model, some, recipe.events, attacks_of(recipe, run), f"attack {file}"))


def accuracy_of(model: Fusion, batch: Batch, options: EventOptions, attacks: Pick, work: str) -> Accuracy:
    """Everything in `Accuracy`, of real events."""
    names, rng, seen = list(model.shape.forms), torch.Generator().manual_seed(0), batch.inputs
    single = dict[str, Found]()
    for at, name in enumerate(names):
        single[name] = attacked_in(model, batch, name, options, rng, attacks)
        report(work, at + 1, len(names) + 1)
    with torch.no_grad():
        clean = _flags(model(seen).argmax(1) == batch.labels)
        without = {name: _flags(model.without(seen, [name]).argmax(1) == batch.labels) for name in names}
    multi = _flags(attacked_in_all(model, batch, options, rng, attacks))
    report(work, len(names) + 1, len(names) + 1)
    alike = {"clean": seen, **{name: found.worst for name, found in single.items()}}
    told = {name: agreement_of(model, x) for name, x in alike.items()}
    return Accuracy(
        clean,
        {name: _flags(found.robust) for name, found in single.items()},
        without,
        multi,
        {name: agree for name, (agree, _) in told.items()},
        {name: apart for name, (_, apart) in told.items()},
        {name: found.broken for name, found in single.items()},
    )


def attacked_in(
    model: Fusion, batch: Batch, name: str, options: EventOptions, rng: torch.Generator, attacks: Pick = by_itself
) -> Found:
    """Attack one modality of every event until an attack breaks it or all have been tried.

    Cross-entropy, a margin with restarts, and where there is a gate also the gate with each of its views: an attack on
    the answer alone over-reports a gate.
    """
    epsilon, form, kind = options.epsilon[name], model.shape.forms[name], modality(name)
    with torch.no_grad():
        robust = model(batch.inputs).argmax(1) == batch.labels
    worst, broken = dict(batch.inputs), dict[str, int]()
    worst[name] = worst[name].clone()
    for trial in trials_of(model, name, options):
        rows = robust.nonzero()[:, 0]
        if not len(rows):
            break
        some = batch.rows(rows)
        way = along(trial.fused, {**model.holding(some.inputs, name), LABEL: some.labels}, name, form)
        x = {**some.inputs, name: attack_along(attacks(name, trial.attack), way, some.labels, trial.ball, rng)[name]}
        inside = kind.moved(x[name], some.inputs[name], form) <= epsilon * (1 + 1e-4)
        with torch.no_grad():
            breaks = (model(x).argmax(1) != some.labels) & inside
        worst[name][rows[breaks]] = x[name][breaks]
        robust[rows[breaks]] = False
        broken[trial.name] = int(breaks.sum())
    return Found(robust, worst, broken)


def trials_of(model: Fusion, name: str, options: EventOptions) -> list[Trial]:
    """The attacks on one modality, in the order in which they are tried."""
    radius = options.epsilon[name]
    ball = Ball(radius, steps=options.steps, step_size=radius / 8, stop_early=True)
    patient = replace(ball, restarts=options.restarts)
    margin = apgd_dlr if model.shape.classes >= 3 else apgd_ce
    found = [Trial("pgd", pgd, model, ball), Trial("margin", margin, model, patient)]
    if name == "text":
        found = [Trial("letters", pgd, model, patient)]  # `attacks_of` puts it in PGD's place
    if not model.shape.gate:
        return found
    for view, said in enumerate(["all", *(f"no {other}" for other in model.shape.forms)]):
        aimed = believing(model, view)
        found += [Trial(f"gate {said}, ce", apgd_ce, aimed, ball), Trial(f"gate {said}, margin", margin, aimed, ball)]
    return found


def believing(model: Fusion, view: int) -> Fused:
    """What an adaptive attack climbs: the margin of one view of a gated classifier, and the gate's belief in it.

    Every class but the label gains the gate's log-probability of that view, so that to climb a margin is to be wrong in
    that view and to be believed. The event's label comes among its inputs, as `LABEL`.
    """

    def fused(x: Inputs) -> Tensor:
        said = model.opinions(x)
        if said.gate is None or said.views is None:
            raise ValueError("only a classifier with a gate and all its modalities is attacked through its gate")
        believed = said.gate.log_softmax(1)[:, view, None]
        others = 1 - F.one_hot(x[LABEL], model.shape.classes)
        climbed: Tensor = said.views[:, view] + believed * others
        return climbed

    return fused


def attacked_in_all(
    model: Fusion, batch: Batch, options: EventOptions, rng: torch.Generator, attacks: Pick = by_itself
) -> Tensor:
    """Bool (N,): right on the event and on what an attack on all modalities together makes of it.

    Texts have no cube to go through: they are attacked first, the others together on top of that.
    """
    inputs, forms = batch.inputs, dict(model.shape.forms)
    with torch.no_grad():
        robust: Tensor = model(batch.inputs).argmax(1) == batch.labels
    if form := forms.pop("text", None):
        in_text = Ball(options.epsilon["text"], steps=options.steps, restarts=options.restarts)
        way_of_text = along(model, model.holding(inputs, "text"), "text", form)
        moved = attack_along(attacks("text", pgd), way_of_text, batch.labels, in_text, rng)["text"]
        inputs = {**inputs, "text": moved}
        with torch.no_grad():
            robust &= model(inputs).argmax(1) == batch.labels  # the others start at random, which may mend it
    way = Together(model, inputs, forms, options.epsilon)
    # The middle of the cube with half its side as the radius: all of every ball.
    ball = Ball(0.5, steps=options.steps, step_size=0.5 / 8, stop_early=True)
    for attack in (pgd, apgd_dlr if model.shape.classes >= 3 else apgd_ce):
        with torch.no_grad():
            robust &= way(attack(way, way.cube, batch.labels, ball, rng)).argmax(1) == batch.labels
    return robust


@torch.no_grad()
def agreement_of(model: Fusion, x: Inputs) -> tuple[float, float]:
    """Share of events in which the predictions from each modality alone agree, and their mean divergence in nats."""
    alone = [model({name: x[name]}) for name in model.shape.forms]
    classes = torch.stack([logits.argmax(1) for logits in alone])
    return (classes == classes[0]).all(0).float().mean().item(), divergence(*alone).mean().item()


def _flags(right: Tensor) -> str:
    return "".join("1" if one else "0" for one in right.tolist())
