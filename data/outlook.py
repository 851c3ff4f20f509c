"""What a run would do, and why: stages are asked for what they depend on, and nothing is done.

A stage whose key is as it was makes the same bytes again, so what is made from them stays; of a stage with another key
nothing is known, so all that is made from it will be made again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import cast

from data.runs import Facts, Run, StageRecord, shortened

SPELLED = {
    "hardshard": "version of hardshard",
    "torch": "version of torch",
    "allotted": "what the budget allots changes",
    "shards": "what is in its shards changes",
}
"""What a stage depends on -> how a reason names it."""
SCALING = ("training.steps", "generator.steps", "judges.fit.steps", "gan.steps")
"""Options that a stage which depends on them takes so many times as long with; but for its start, which is short."""
ASIDE = ("inputs", "seed", "hardshard", "torch", "shards")
"""What a stage depends on that tells nothing of how much work there is; the last are what it finds in its shards."""
LONGEST = 60
"""Characters of a value that a reason still spells out."""
UNKNOWN = -1
"""A count that only a stage still to be done will tell."""


@dataclass(frozen=True)
class Stage:
    """What will become of one stage.

    Attributes:
        name: of the stage.
        why: reasons to do it, none where it is done already.
        seconds: that its work took when it was last done, scaled by `SCALING`; None where it never was.
        guessed: whether that was with other options, or on other samples.
    """

    name: str
    why: tuple[str, ...]
    seconds: float | None = None
    guessed: bool = False

    @property
    def done(self) -> bool:
        """Whether it is done already."""
        return not self.why


@dataclass
class Outlook:
    """Goes through the stages of a run in its order; `data.runs.Run` asks it instead of working.

    Attributes:
        folder: the run's.
        expect: stage -> facts to go on with, of one that will be done anew.
        stages: what was asked so far.
    """

    folder: Path
    expect: Callable[[str], Facts]
    stages: list[Stage] = field(default_factory=list)
    _known: dict[str, StageRecord | None] = field(default_factory=dict)
    _anew: set[str] = field(default_factory=set)
    _gone: set[str] = field(default_factory=set)

    @property
    def run(self) -> Run:
        """The run as stages are to see it."""
        return Run(self.folder, self)

    def is_known(self, stage: str) -> bool:
        """Whether what a stage makes is there already, or will be as it was."""
        return self.record(stage) is not None and stage not in self._anew

    def record(self, stage: str) -> StageRecord | None:
        """What there is of a stage, or what to go on with."""
        if stage not in self._known:
            self._known[stage] = Run(self.folder).read(stage)
        return self._known[stage]

    def stage(self, stage: str, key: str, depends: Facts, takes_away: Sequence[str] = ()) -> StageRecord:
        """Note what will become of a stage, and of what its work would take away."""
        done = self.record(stage)
        again = done is not None and done.key == key
        why = tuple(self._harm(done)) if done and again else tuple(self._reasons(done, depends))
        self._gone |= set(takes_away) if why else set()
        self.stages.append(Stage(stage, why, *self._time(done, depends, again)))
        if done is None or not again:
            self._anew.add(stage)
            facts = self.expect(stage)
            known = done or StageRecord(stage, key, 0.0)
            self._known[stage] = replace(known, key=key, outputs={"": "made anew"}, facts=facts)
        return cast(StageRecord, self._known[stage])

    def _time(self, done: StageRecord | None, depends: Facts, again: bool) -> tuple[float | None, bool]:
        """Seconds that a stage will take, as far as its record tells, and whether that is of other work."""
        if done is None or again:
            return done.seconds if done else None, False
        before, after = _both(done, depends)
        other = [name for name in _changed(before, after) if self._tells_of_work(name, before, after)]
        steps = [(before[name], after[name]) for name in SCALING if name in before and name in after]
        scale = prod(float(str(now)) / float(str(then)) for then, now in steps)
        return round(done.seconds * scale, 2), bool(other) or not done.depends

    def _tells_of_work(self, name: str, before: Mapping[str, object], after: Mapping[str, object]) -> bool:
        if name == "samples":
            return any(stage.name == "source" and stage.guessed for stage in self.stages)
        return name.partition(".")[0] not in ASIDE and UNKNOWN not in (before.get(name), after.get(name))

    def _harm(self, done: StageRecord) -> Iterator[str]:
        """What happened to the outputs of a finished stage; a file as large and as old as it was is as it was."""
        run = Run(self.folder)
        for name, mark in done.outputs.items():
            seen = run.sighting(name)
            if name in self._gone:
                yield f"{name} is taken away while what it lists is written again"
            elif not (seen and list(done.seen.get(name, ())) == seen) and (now := run.mark(name)) != mark:
                yield f"{name} is not as it was left" if now else f"{name} is missing"

    def _reasons(self, done: StageRecord | None, depends: Facts) -> Iterator[str]:
        if done is None:
            yield "not made yet"
            return
        if not done.depends:
            yield "made from something else; its record, of an older version, does not say what"
            return
        before, after = _both(done, depends)
        told = list(dict.fromkeys(self._told(name, before, after) for name in _changed(before, after)))
        yield from sorted(told, key=lambda why: why.endswith("is made anew")) or ["made from something else"]

    def _told(self, name: str, before: Mapping[str, object], after: Mapping[str, object]) -> str:
        if name.startswith("inputs."):
            made_from = name.removeprefix("inputs.")
            if made_from == "digest":
                return "what it is made from changes"
            return f"{made_from} is made anew" if made_from in self._anew else f"{made_from} has changed"
        if name == "samples" or UNKNOWN in (before.get(name), after.get(name)):
            return "the samples of the source change" if name == "samples" else f"{name} depends on what is made anew"
        spelled = SPELLED.get(name.partition(".")[0], name)
        if spelled.endswith("changes") or any(len(str(side.get(name))) > LONGEST for side in (before, after)):
            return spelled if spelled.endswith("changes") else f"{spelled} changes"
        if name not in before or name not in after:
            return f"{spelled} {'is gone' if name in before else 'is new'}"
        return f"{spelled} {before[name]} -> {after[name]}"


def _both(done: StageRecord, depends: Facts) -> tuple[dict[str, object], dict[str, object]]:
    """What a stage depended on and what it depends on now, by dotted name."""
    return dict(_leaves(done.depends)), dict(_leaves(shortened(depends)))


def _changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    names = [*before, *(name for name in after if name not in before)]
    return [name for name in names if before.get(name) != after.get(name) or (name in before) != (name in after)]


def _leaves(value: object, name: str = "") -> Iterator[tuple[str, object]]:
    """Every value of a JSON object by its dotted name; lists of pairs, as `checks` are, count as objects."""
    if isinstance(value, list | tuple) and value and all(_is_pair(entry) for entry in value):
        value = {entry[0]: entry[1] for entry in value}
    if isinstance(value, Mapping) and value:
        for inner, found in value.items():
            yield from _leaves(found, f"{name}.{inner}" if name else str(inner))
    else:
        yield name, list(value) if isinstance(value, tuple) else value


def _is_pair(entry: object) -> bool:
    return isinstance(entry, list | tuple) and len(entry) == 2 and isinstance(entry[0], str)
