"""What a run would do: every stage of it in order, and what that will give and cost. Needs no torch.

The stages are the run's own, asked for what they depend on instead of being done (data/outlook.py).
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property, partial
from itertools import product
from pathlib import Path
from statistics import mean
from typing import Any, Literal

from data.errors import WrongUse
from data.outlook import UNKNOWN, Outlook, Stage
from data.runs import Facts, Run, owner_of
from generators.apportioning import plain_mix
from pipelines.recipes import Recipe
from pipelines.training import sets, stages
from pipelines.training.arms import SHARDS, arms_of
from pipelines.training.drafting import AUTO, PROBE, THRESHOLDS
from pipelines.training.events import stages as events
from pipelines.training.places import UNLABELLED
from pipelines.training.rounds import stages as rounds
from pipelines.training.synthesis import stages as synthesis

Command = Literal["run", "build", "synthesise", "probe"]
SEARCHED = f"{SHARDS}/draft-"


@dataclass(frozen=True)
class Forecast:
    """What the run's own set is expected to be, by a probe of the same searches, checks and networks.

    Attributes:
        candidates, accepted: by search, in all.
        seconds: of one core's work, on search and checks.
        disk: bytes of drafts, shards and manifests.
        bound: whether the budget's minutes allow less than was asked for.
    """

    candidates: Mapping[str, int]
    accepted: Mapping[str, float]
    seconds: float
    disk: float
    bound: bool = False


@dataclass(frozen=True)
class Plan:
    """What a run would do.

    Attributes:
        stages: flow -> its stages, in order.
        forecast: of the set; None without a probe.
    """

    stages: Mapping[str, Sequence[Stage]]
    forecast: Forecast | None

    @property
    def todo(self) -> list[Stage]:
        """What is not done yet."""
        return [stage for found in self.stages.values() for stage in found if not stage.done]

    def seconds_of(self, stage: Stage) -> float | None:
        """Of one core's work: what was forecast, what the stage took last time, or what others of its kind took."""
        if self.forecast and stage.name.startswith(SEARCHED):
            return self.forecast.seconds / self._kinds[kind_of(stage)][0]
        return stage.seconds if stage.seconds is not None else self._kinds[kind_of(stage)][1]

    def is_guessed(self, stage: Stage) -> bool:
        """Whether that time is by a record of other options or samples."""
        if self.forecast and stage.name.startswith(SEARCHED):
            return False
        return stage.guessed if stage.seconds is not None else self._kinds[kind_of(stage)][2]

    @cached_property
    def _kinds(self) -> dict[str, tuple[int, float | None, bool]]:
        """Kind of stage -> how many there are; mean seconds, if any was ever done; whether any of these is a guess."""
        alike: dict[str, list[Stage]] = {}
        for found in self.stages.values():
            for stage in found:
                alike.setdefault(kind_of(stage), []).append(stage)
        known = {kind: [one.seconds for one in found if one.seconds is not None] for kind, found in alike.items()}
        return {
            kind: (len(found), mean(known[kind]) if known[kind] else None, any(one.guessed for one in found))
            for kind, found in alike.items()
        }

    @property
    def as_json(self) -> dict[str, object]:
        """All of it, for scripts."""
        listed = [
            {"flow": flow, **asdict(stage), "done": stage.done}
            for flow, found in self.stages.items()
            for stage in found
        ]
        expected = [self.seconds_of(stage) for stage in self.todo]
        return {
            "stages": listed,
            "todo": [stage.name for stage in self.todo],
            "seconds": sum(seconds for seconds in expected if seconds is not None),
            "of_unknown_length": sum(seconds is None for seconds in expected),
            "forecast": asdict(self.forecast) if self.forecast else None,
        }


def kind_of(stage: Stage) -> str:
    """The name without its numbers: what is alike."""
    return re.sub(r"\d+", "#", stage.name)


def plan_of(recipe: Recipe, folder: Path, command: Command = "run", seeds: int = 1) -> Plan:
    """What a command would do in a run's folder, which is only read.

    Args:
        recipe: of the run.
        folder: of the run; need not be there.
        command: `run`, or `build`, as far as the shards, or `probe`, as far as the probe, or `synthesise`.
        seeds: trainings of each arm.

    Raises:
        WrongUse: the folder is another recipe's, or the probe says that the budget buys nothing.
        Damaged: a record is unreadable.
    """
    folder = folder.absolute()
    if (owner := owner_of(folder)) not in ("", recipe.called):
        raise WrongUse(f"{folder} belongs to recipe {owner!r}, not {recipe.called!r}: choose another folder with --run")
    outlook = Outlook(folder, lambda stage: _expected(recipe, outlook, stage))
    found: dict[str, list[Stage]] = {}
    for flow, ask in _flows(recipe, command, seeds).items():
        first = len(outlook.stages)
        ask(recipe, outlook)
        found[flow] = outlook.stages[first:]
    return Plan(found, _forecast(recipe, folder))


def _flows(recipe: Recipe, command: Command, seeds: int) -> dict[str, Callable[[Recipe, Outlook], None]]:
    if command == "synthesise":
        synthesis.must_be_possible(recipe)
        return {"train_model": _source, "synthesise": _synthesis}
    if recipe.events.epsilon:
        if command == "probe":
            raise WrongUse("there is nothing to probe of pairs: their rounds try as many candidates as they are told")
        return {"train_model": _source, "rounds": partial(_rounds, compare=command == "run")}
    flows: dict[str, Callable[[Recipe, Outlook], None]] = {"train_model": _model, "train_generator": _generator}
    if command == "probe":
        return {**flows, "build_shards": partial(_shards, probe_alone=True)}
    flows["build_shards"] = _shards
    if recipe.rounds.count:
        flows["rounds"] = partial(_rounds, compare=command == "run")
    if command == "run":
        flows |= {"train_robust": partial(_arms, seeds=seeds), "evaluate": partial(_accuracies, seeds=seeds)}
    return flows


def _source(recipe: Recipe, outlook: Outlook) -> None:
    stages.taken_in(recipe, outlook.run)


def _model(recipe: Recipe, outlook: Outlook) -> None:
    stages.taken_in(recipe, outlook.run)
    stages.unlabelled(recipe, outlook.run)
    stages.model(recipe, outlook.run)


def _generator(recipe: Recipe, outlook: Outlook) -> None:
    run = outlook.run
    stages.gan(recipe, run)
    for fold in range(recipe.judges.folds):
        stages.judge(recipe, run, fold)
    stages.examiner(recipe, run)
    stages.fidelity(recipe, run)


def _shards(recipe: Recipe, outlook: Outlook, *, probe_alone: bool = False) -> None:
    run = outlook.run
    if AUTO in recipe.checks.values():
        sets.thresholds(recipe, run)
    if recipe.budget.given or probe_alone:
        sets.probe(recipe, run)
    if probe_alone:
        return
    known = not recipe.budget.given or outlook.is_known(PROBE)
    options = sets.budgeted_set(recipe, run) if known else replace(sets.hard_set(recipe, run), attempts=UNKNOWN)
    for number in options.drafts:
        sets.draft(recipe, run, options, number)
    drafts = sets.drafts_of(run, options)
    for number in range(options.count):
        sets.shard(recipe, run, options, number, drafts)
    sets.index(recipe, run, options)


def _rounds(recipe: Recipe, outlook: Outlook, *, compare: bool) -> None:
    run = outlook.run
    for name, fold in product(recipe.events.modalities, range(recipe.judges.folds)):
        events.judge(recipe, run, name, fold)
    rounds.first_model(recipe, run)
    for number in range(1, recipe.rounds.count + 1):  # at most: what is not made yet may stall
        rounds.round_set(recipe, run, number)
        rounds.round_model(recipe, run, number)
        if rounds.stalled(recipe, run, number):
            break
    if compare:
        for name in (rounds.IN_LOOP, rounds.PLAIN):
            rounds.rival(recipe, run, name)
        rounds.accuracies(recipe, run)
        rounds.staleness(recipe, run)


def _synthesis(recipe: Recipe, outlook: Outlook) -> None:
    for name, fold in product(recipe.events.modalities, range(recipe.judges.folds)):
        events.judge(recipe, outlook.run, name, fold)
    synthesis.everything(recipe, outlook.run)


def _arms(recipe: Recipe, outlook: Outlook, *, seeds: int) -> None:
    for name, arm in arms_of(recipe).items():
        if arm.search:
            sets.control(recipe, outlook.run, name)
    for seed in range(recipe.seed, recipe.seed + seeds):
        for name in arms_of(recipe):
            stages.arm(recipe, outlook.run, name, seed)


def _accuracies(recipe: Recipe, outlook: Outlook, *, seeds: int) -> None:
    for seed in range(recipe.seed, recipe.seed + seeds):
        for name in arms_of(recipe):
            stages.accuracy(recipe, outlook.run, name, seed)
    if recipe.model.path:
        stages.brought_accuracy(recipe, outlook.run)


def _expected(recipe: Recipe, outlook: Outlook, stage: str) -> Facts:
    """What later stages are told of one that will be done anew."""
    if stage in ("source", UNLABELLED):
        return {"division": UNKNOWN}
    if stage == THRESHOLDS:
        return {"chosen": {check: {"threshold": UNKNOWN} for check, limit in recipe.checks.items() if limit == AUTO}}
    if stage == SHARDS:
        drafts = [f"{SEARCHED}{number}" for number in range(recipe.shards.parts)]
        known = all(map(outlook.is_known, drafts))
        return {"samples": sum(int(str(outlook.run.record(d).facts["samples"])) for d in drafts) if known else UNKNOWN}
    if number := re.fullmatch(r"round-model-(\d+)", stage):
        return {"archive": [], "attack_success": -float(number[1])}  # falls from round to round: does not stall
    return {}


def _forecast(recipe: Recipe, folder: Path) -> Forecast | None:
    """By the probe's record, unless it would be made anew; none of pairs."""
    if recipe.events.epsilon:
        return None
    outlook = Outlook(folder, lambda stage: _expected(recipe, outlook, stage))
    for ask in _flows(recipe, "probe", 1).values():
        ask(recipe, outlook)
    if not outlook.is_known(PROBE):
        return None
    probe: Mapping[str, Any] = outlook.run.record(PROBE).facts
    found = _by_budget(recipe, outlook.run) if recipe.budget.given else _by_mix(recipe, probe)
    kept, tried = sum(found.accepted.values()), sum(found.candidates.values())
    return replace(found, disk=2 * (kept * probe["bytes"] + tried * probe["row_bytes"]))  # drafts, and the set


def _by_budget(recipe: Recipe, run: Run) -> Forecast:
    found = sets.allocation(recipe, run)
    candidates = {search: sum(counts) for search, counts in found.candidates.items()}
    return Forecast(candidates, found.accepted, found.seconds, 0.0, found.bound)


def _by_mix(recipe: Recipe, probe: Mapping[str, Any]) -> Forecast:
    parts, rows = recipe.shards.parts, probe["searches"]
    each = plain_mix(recipe.search.mix, recipe.shards.attempts)
    tried = {search: parts * count for search, count in each.items() if count}
    rates = {search: sum(rows[search]["kept"]) / sum(rows[search]["tried"]) for search in tried}
    seconds = sum(count * rows[search]["seconds"] for search, count in tried.items()) + parts * probe["setup"]
    return Forecast(tried, {search: tried[search] * rates[search] for search in tried}, seconds, 0.0)
