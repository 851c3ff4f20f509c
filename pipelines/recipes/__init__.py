"""Recipes: all that configures a run, in one frozen dataclass. Each file of this folder is a preset.

A preset is a small difference from the defaults, which are `digits`. A user's own recipe is a TOML file, which is data
and runs nothing: a small difference from a preset. The command line and prefect.yaml override fields by name; nothing
else configures anything.
"""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import BeforeValidator, TypeAdapter, ValidationError

import pipelines.recipes
from data.errors import WrongUse, alike
from data.plugins import plugin
from data.sources import SourceOptions
from generators.options import Ball, GanOptions, SearchOptions
from pipelines.training.adaptation.options import AdaptOptions
from pipelines.training.audit.options import AuditOptions
from pipelines.training.budget import BudgetOptions
from pipelines.training.drafting import ShardOptions, Threshold, default_checks, known_plugins
from pipelines.training.evaluation.options import EvaluationOptions
from pipelines.training.events.options import EventOptions
from pipelines.training.fitting.options import FitOptions, JudgeOptions
from pipelines.training.mixes import MixOptions, UpliftOptions
from pipelines.training.models.locating import ModelOptions
from pipelines.training.operations import OperationOptions
from pipelines.training.rounds.options import RoundsOptions
from pipelines.training.synthesis.options import SynthesisOptions


@dataclass(frozen=True)
class Recipe:
    """One run from samples to a hardened model."""

    name: str = "digits"
    """That of its preset; or the path of its file, as it was given."""
    seed: int = 0
    """Of everything that is drawn, but for the split."""
    rehearsal: bool = False
    """Whether it is for trying out the machinery alone: report.html and scarcity.html then say that its figures say
    nothing. A recipe of your own that starts from such a preset takes `rehearsal = false`."""
    source: SourceOptions = field(default_factory=SourceOptions)
    model: ModelOptions = field(default_factory=ModelOptions)
    """The model to harden, where it is brought instead of trained."""
    training: FitOptions = field(default_factory=lambda: FitOptions(ball=Ball(epsilon=0.18, step_size=0.045), ramp=0.2))
    """Of the model to harden and of every arm alike; in a ball half as wide again as the one to withstand, which gains
    more than any kind of shards: docs/uplift.md."""
    generator: GanOptions = field(default_factory=GanOptions)
    judges: JudgeOptions = field(default_factory=JudgeOptions)
    search: SearchOptions = field(default_factory=SearchOptions)
    checks: dict[str, Threshold] = field(default_factory=default_checks)
    """Check -> its threshold, or `auto`, in the order they are asked."""
    shards: ShardOptions = field(default_factory=ShardOptions)
    budget: BudgetOptions = field(default_factory=BudgetOptions)
    mixing: MixOptions = field(default_factory=MixOptions)
    evaluation: EvaluationOptions = field(default_factory=EvaluationOptions)
    uplift: UpliftOptions = field(default_factory=UpliftOptions)
    audit: AuditOptions = field(default_factory=AuditOptions)
    rounds: RoundsOptions = field(default_factory=RoundsOptions)
    adapt: AdaptOptions = field(default_factory=AdaptOptions)
    events: EventOptions = field(default_factory=EventOptions)
    """Of a source of pairs, where rounds are all that there is: docs/modalities.md."""
    synthesis: SynthesisOptions = field(default_factory=SynthesisOptions)
    """Of a source of pairs, for `hardshard synthesise`: docs/pair-synthesis.md."""
    operations: OperationOptions = field(default_factory=OperationOptions)
    """How the run is carried out; it changes nothing that a run makes."""

    def __post_init__(self) -> None:
        if (self.source.name == "paired") != bool(self.events.epsilon):
            raise ValueError(
                f"source {self.source.name} and events.epsilon {self.events.epsilon}: pairs need a radius for each "
                "modality, and no other source takes one"
            )
        if self.events.epsilon and (self.rounds.checks or self.model.path):
            raise ValueError("events are checked by events.judged and events.seen, and their model is trained here")
        if self.rounds.count and self.model.path:
            raise ValueError(
                f"rounds train a classifier of our own, and cannot train {self.model.path}: train it by its own "
                "trainer on `hardshard build --model`, export it, and build again"
            )
        if not self.judges.calibrate and self.shards.softness != 1:
            raise ValueError(
                "shards.softness undoes what calibration does: where judges.calibrate is false it must be 1, "
                f"got {self.shards.softness:g}"
            )
        self._must_confirm_pseudo_labels()
        known_plugins(self.search, self.checks)
        if self.search.mix.get("translate") or self.search.parents == "translated":
            raise ValueError("search.mix and search.parents know one domain alone: see adapt.search")

    def _must_confirm_pseudo_labels(self) -> None:
        for search, checks, name in (
            (self.search, self.checks, "checks"),
            (self.rounds.search, self.rounds.checks, "rounds.checks"),
        ):
            if search.takes_unlabelled and "agreement" not in checks:
                raise ValueError(f"unlabelled samples take a check of their pseudo-labels: --{name}.agreement 0.5")

    @property
    def takes_unlabelled(self) -> bool:
        """Whether its shards, or those of its rounds, draw on samples that nobody labelled."""
        return self.search.takes_unlabelled or (self.rounds.count > 0 and self.rounds.search.takes_unlabelled)

    @property
    def called(self) -> str:
        """Its name without folder and ending, where it comes from a file: what its run and its shards are called."""
        return Path(self.name).stem if self.name.endswith(FILE) else self.name


OPEN = ("mix", "checks", "pseudo_checks", "quotas", "epsilon", "reach", "shift", "ways")
"""Options that may gain an entry; of any other a field must be there already."""
FILE = ".toml"
"""What the path of a recipe file ends in."""
DEFAULT = Recipe()
DEFAULT_RUN = Path("runs/digits")


def preset(name: str) -> Recipe:
    """The recipe in `pipelines/recipes/<name>.py`; or, where the name ends in .toml, in that file.

    A file names the preset that it differs from (`preset = "own"`, which is also what is taken if it names none), and
    any of its fields.

    Raises:
        WrongUse: there is none of that name; or the file is no TOML, empty, or has a field that there is not.
    """
    if name.endswith(FILE):
        return _from_file(name)
    return cast(Recipe, plugin(pipelines.recipes, name))


def _from_file(path: str) -> Recipe:
    if not Path(path).exists():
        raise WrongUse(f"there is no recipe file {path} here: `hardshard init DATA --recipe {path}` writes one")
    try:
        fields = tomllib.loads(Path(path).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise WrongUse(f"{path} is no recipe file: {error}") from error
    if not fields:
        raise WrongUse(f'{path} is empty: name the preset that it differs from, as preset = "digits", and what differs')
    if "name" in fields or not isinstance(under := fields.pop("preset", "own"), str) or under.endswith(FILE):
        raise WrongUse(f"{path}: a recipe file is called as the file is, and begins with preset = one of the presets")
    try:
        return overridden(replace(preset(under), name=path), dict(options_of(fields)))
    except WrongUse as error:
        raise WrongUse(f"{path}: {error}") from error


def merged(fields: object) -> object:
    """A preset's fields with the given ones put over them; `name` says which preset, anything but a dict passes."""
    if not isinstance(fields, dict):
        return fields
    under = asdict(preset(str(fields.get("name", DEFAULT.name))))
    for path, value in options_of(fields):
        _put(under, path, value)
    return under


FromPreset = Annotated[Recipe, BeforeValidator(merged)]
"""A flow's recipe parameter: `{"name": "digits_quick", "search": {"steps": 20}}` changes one field of that preset."""


def overridden(recipe: Recipe, overrides: Mapping[str, object]) -> Recipe:
    """The recipe with fields replaced: `{"search.steps": "40"}`; values are as typed on a command line, or as
    they are.

    Raises:
        WrongUse: an unknown field (the nearest known ones are named), or a value of the wrong kind or out of range.
    """
    fields: dict[str, Any] = asdict(recipe)
    for path, value in overrides.items():
        _put(fields, path, value)
    try:
        return TypeAdapter(Recipe).validate_python(fields)
    except ValidationError as error:
        raise WrongUse(_spelled(error)) from error


def options_of(fields: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Every option of a recipe turned into a dictionary, by its dotted name, with its value."""
    for name, value in fields.items():
        if isinstance(value, dict):
            yield from options_of(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def typed(value: object) -> str:
    """An option's value as one types it on the command line."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)


def _put(fields: dict[str, Any], path: str, value: object) -> None:
    *folders, name = path.split(".")
    place = fields
    for folder in folders:
        inner = place.get(folder)
        if not isinstance(inner, dict):
            raise WrongUse(_unknown(path, fields))
        place = inner
    unknown = name not in place and not {*folders[-1:]} & {*OPEN}
    if unknown or isinstance(place.get(name), dict):
        raise WrongUse(_unknown(path, fields))
    place[name] = value


def _unknown(path: str, fields: Mapping[str, Any]) -> str:
    known = [name for name, _ in options_of(fields)]
    return f"no option --{path}: {alike(path, known, least=0.4, mark='--') or '`hardshard recipes` lists all'}"


def _spelled(error: ValidationError) -> str:
    first = error.errors()[0]
    path = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] != "value_error":
        return f"--{path}: {message}, got {first['input']!r}"
    return _owned(message, path, first["input"])  # our own message, which shows the value


def _owned(message: str, path: str, options: object) -> str:
    """The message with the option that it begins with called by its dotted name, wherever its dataclass stands."""
    first, space, rest = message.partition(" ")
    name = first.rpartition(".")[2]
    is_option = path and isinstance(options, Mapping) and name in options
    return f"{path}.{name}{space}{rest}" if is_option else message
