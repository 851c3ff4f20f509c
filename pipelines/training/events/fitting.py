"""What a worker process does for a training on events: the first model, a round's, what both are compared with, judges.

No trainer here attacks anything, but the rival of `fit_rival` that is there to be compared with.
"""

import copy
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from data.loader import MixedRows
from data.modalities import modality
from data.reading import read_samples
from data.records import Batch
from data.shards import read_index
from data.store import Store
from generators.along import along, attack_along
from generators.attacks.pgd import pgd
from generators.crossmodal import fold_of, moved
from generators.options import Ball
from pipelines.recipes import Recipe
from pipelines.training.events.attacking import Pick, attacks_of
from pipelines.training.events.losses import Told, loss_of
from pipelines.training.events.options import EventOptions
from pipelines.training.events.participants import alone, events, pairs_of, shape_of
from pipelines.training.events.places import judge_file
from pipelines.training.fitting.options import FitOptions
from pipelines.training.models.fusion import Fusion, FusionShape, load_fusion, save_fusion
from pipelines.training.progress import report
from pipelines.training.rounds.archive import Archive, weighed
from pipelines.training.rounds.places import model_file, raw_file, set_folder

REACH = 1.5
"""How far an attack for training goes in a modality of which `events.reach` says nothing."""
IN_LOOP_STEPS = 7
"""Of the attack in the rival's loop."""


@dataclass(frozen=True)
class Shard:
    """Events in memory.

    Attributes:
        values: modality -> what is kept of it, (N, ...).
        told: labels int64 (N,), soft labels float (N, K), and which modality was touched.
    """

    values: Mapping[str, Tensor]
    told: Told

    def __len__(self) -> int:
        return len(self.told.labels)

    def inputs(self, rows: Tensor) -> dict[str, Tensor]:
        """The events at these rows, int64 (M,): modality -> x (M, ...)."""
        return {name: modality(name).floats(values[rows]) for name, values in self.values.items()}


@dataclass
class State:
    """A training of events under way: the newest weights, and their running average, which is what counts."""

    model: Fusion
    averaged: Fusion
    step: int = 0


Draw = Callable[[int], tuple[dict[str, Tensor], Told]]
"""Step of this training -> a batch: modality -> x (B, ...), and what is told of it."""


def fit_first(recipe: Recipe, run: Path) -> dict[str, object]:
    """Train on the real events alone for `events.warm` steps."""
    state, real = begin(shape_of(recipe, run), recipe.seed), of_real(events(run, "train", recipe.source))
    train(
        state, plain(real, recipe.rounds.fit, recipe.events.shift, recipe.seed), recipe, recipe.events.warm, "round 0"
    )
    _keep(state, run, 0)
    return {}


def fit_round(recipe: Recipe, run: Path, number: int, older: Sequence[int]) -> dict[str, object]:
    """Train on a round's shard and on what is still hard of older ones; as `pipelines.training.rounds.fitting`."""
    attacked, options = load_fusion(run / model_file(number - 1)), recipe.rounds
    shards = {other: shard_of(run, other) for other in (*older, number)}
    fooled = {other: fool_rate(attacked, shard) for other, shard in shards.items()}
    archive = weighed(fooled, number, options.archive, options.stale_below)
    old = joined([shards[other] for other in archive.kept]) if archive.kept else shards[number]
    share = 1 - options.newest if archive.kept else 0.0
    step = recipe.events.warm + (number - 1) * options.steps
    state = State(load_fusion(run / raw_file(number - 1)), attacked, step)
    draw = mixed(shards[number], old, share, options.fit.batch_size, _seed(recipe.seed, number), recipe)
    train(state, draw, recipe, options.steps, f"round {number}")
    _keep(state, run, number)
    return _told(archive, number, fooled)


def _told(archive: Archive, number: int, fooled: Mapping[int, float]) -> dict[str, object]:
    rates = {str(other): rate for other, rate in fooled.items()}
    success = rates.pop(str(number))
    return {"attack_success": success, "archive": list(archive.kept), "dropped": list(archive.dropped), "fooled": rates}


def staleness(run: Path, last: int) -> dict[str, object]:
    """Share of each round's shard that fools the model of the last round."""
    newest = load_fusion(run / model_file(last))
    return {"fooled": [fool_rate(newest, shard_of(run, number)) for number in range(1, last + 1)]}


def fit_rival(recipe: Recipe, run: Path, out: str, options: FitOptions) -> dict[str, object]:
    """Train on the real events alone from the rounds' seed: with PGD-7 on one modality of half of them, or plainly."""
    state, real = begin(shape_of(recipe, run), recipe.seed), of_real(events(run, "train", recipe.source))
    draw = plain(real, options, recipe.events.shift, recipe.seed)
    if options.objective != "plain":
        draw = attacked_in_loop(draw, state, recipe, attacks_of(recipe, run))
    train(state, draw, recipe, options.steps, Path(out).stem)
    save_fusion(run / out, state.averaged)
    return {}


def fit_judge(recipe: Recipe, run: Path, name: str, fold: int) -> dict[str, object]:
    """Train the judge of one modality that leaves a fold of its members out, plainly; says how it does on them."""
    batch = pairs_of(run).sides[name].batch("train", recipe.source)
    held = torch.tensor([fold_of(key, recipe.judges.folds) == fold for key in batch.keys])
    unseen, seen = (batch.rows(chosen.nonzero()[:, 0]) for chosen in (held, ~held))
    seed = 1000 * (recipe.seed + 1) + fold
    state = begin(alone(shape_of(recipe, run), name), seed)
    draw, work = plain(of_real(seen), recipe.rounds.fit, recipe.events.shift, seed), f"judge {name} {fold}"
    train(state, draw, recipe, recipe.events.warm, work)
    save_fusion(run / judge_file(name, fold), state.averaged)
    with torch.no_grad():
        right = state.averaged(unseen.inputs).argmax(1) == unseen.labels
    return {"right_on_unseen": right.float().mean().item()}


def begin(shape: FusionShape, seed: int) -> State:
    """A training at step 0; first weights depend on nothing but the shape and the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = Fusion(shape)
    return State(model, copy.deepcopy(model).eval().requires_grad_(False))


def train(state: State, draw: Draw, recipe: Recipe, steps: int, work: str) -> None:
    """Go on for so many steps, at a constant rate and with a new optimiser; leaves the state's models in eval mode."""
    options, model = recipe.rounds.fit, state.model.train().requires_grad_(True)
    optimiser = torch.optim.AdamW(model.parameters(), options.learning_rate, weight_decay=options.weight_decay)
    rng = torch.Generator().manual_seed(_seed(recipe.seed, state.step))
    for step in range(steps):
        x, told = draw(step)
        loss = loss_of(model, x, told, recipe.events, rng)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
        _average(state, min(options.averaging, (1 + state.step) / (10 + state.step)))
        state.step += 1
        report(work, step + 1, steps, f"loss {loss.item():.3f}")
    model.eval().requires_grad_(False)


@torch.no_grad()
def _average(state: State, decay: float) -> None:
    for old, new in zip(state.averaged.parameters(), state.model.parameters(), strict=True):
        old.lerp_(new, 1 - decay)


def of_real(batch: Batch) -> Shard:
    """Real events as a shard of which nothing was touched."""
    values = {name: modality(name).rest(x) for name, x in batch.inputs.items()}
    return Shard(values, Told(batch.labels, None, torch.zeros_like(batch.labels)))


def plain(real: Shard, options: FitOptions, shift: Mapping[str, int], seed: int) -> Draw:
    """Batches of real events, epoch after epoch, each event moved anew: see `events.shift`."""
    rows = MixedRows(len(real), 1, 0.0, options.batch_size, seed)

    def draw(step: int) -> tuple[dict[str, Tensor], Told]:
        chosen, _ = rows.rows(step)
        rng = torch.Generator().manual_seed(_seed(seed, step))
        return moved(real.inputs(chosen), shift, rng), real.told.rows(chosen)

    return draw


def mixed(newest: Shard, old: Shard, share: float, size: int, seed: int, recipe: Recipe) -> Draw:
    """Batches of which `share` comes from old shards, with the recipe's weight of the judges' labels."""
    rows = MixedRows(len(newest), len(old), share, size, seed)

    def draw(step: int) -> tuple[dict[str, Tensor], Told]:
        mine, theirs = rows.rows(step)
        first, second = newest.inputs(mine), old.inputs(theirs)
        told = newest.told.rows(mine).and_then(old.told.rows(theirs))
        return {name: torch.cat([x, second[name]]) for name, x in first.items()}, told.weighed(recipe.rounds.soft)

    return draw


def attacked_in_loop(draw: Draw, state: State, recipe: Recipe, attacks: Pick) -> Draw:
    """The same batches, half of each attacked in one modality, which changes from step to step."""
    options, names = recipe.events, recipe.events.modalities
    rng = torch.Generator().manual_seed(recipe.seed)

    def attacked(step: int) -> tuple[dict[str, Tensor], Told]:
        x, told = draw(step)
        at, half = step % len(names), len(told.labels) // 2
        name, model = names[at], state.model
        ball = ball_of(options, name, IN_LOOP_STEPS)
        first = {other: value[:half] for other, value in x.items()}
        model.eval().requires_grad_(False)
        way = along(model, model.holding(first, name), name, state.model.shape.forms[name])
        moved = attack_along(attacks(name, pgd), way, told.labels[:half], ball, rng)
        model.train().requires_grad_(True)
        touched = told.touched.clone()
        touched[:half] = 1 + list(state.model.shape.forms).index(name)
        return {**x, name: torch.cat([moved[name], x[name][half:]])}, replace(told, touched=touched)

    return attacked


def ball_of(options: EventOptions, name: str, steps: int) -> Ball:
    """Where an attack for training may go in a modality: `events.reach`, or 1.5, times the radius to withstand."""
    radius = options.epsilon[name] * options.reach.get(name, REACH)
    return Ball(radius, steps=steps, step_size=min(radius, 2.5 * radius / steps))


def shard_of(run: Path, number: int) -> Shard:
    """A round's shard, read from disk once in each process.

    Raises:
        Damaged: the set is unfinished or was altered.
    """
    store = Store(str(run / set_folder(number)))
    return _read(store.url, str(read_index(store).facts["digest"]))


@lru_cache(maxsize=32)
def _read(url: str, digest: str) -> Shard:
    found = read_samples(Store(url))
    names = sorted(found[0].inputs)  # as in the classifier
    values = {name: torch.stack([s.inputs[name] for s in found]) for name in names}
    labels, soft = torch.tensor([s.label for s in found]), torch.stack([s.soft_label for s in found])
    touched = [next((1 + at for at, name in enumerate(names) if s.moved[name]), 0) for s in found]
    return Shard(values, Told(labels, soft, torch.tensor(touched)))


def joined(shards: Sequence[Shard]) -> Shard:
    """Several shards as one."""
    values = {name: torch.cat([shard.values[name] for shard in shards]) for name in shards[0].values}
    told = shards[0].told
    for shard in shards[1:]:
        told = told.and_then(shard.told)
    return Shard(values, told)


@torch.no_grad()
def fool_rate(model: Fusion, shard: Shard) -> float:
    """Share of events to which the model gives another class than their label."""
    places = torch.split(torch.arange(len(shard)), 512)
    wrong = [model(shard.inputs(rows)).argmax(1) != shard.told.labels[rows] for rows in places]
    return float(torch.cat(wrong).float().mean())


def _keep(state: State, run: Path, number: int) -> None:
    save_fusion(run / raw_file(number), state.model)
    save_fusion(run / model_file(number), state.averaged)


def _seed(seed: int, number: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed}/{number}".encode()).digest()[:4])
