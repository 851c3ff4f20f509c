"""The whole path in under two minutes, to see that it runs; too short for figures to mean anything."""

from dataclasses import replace

from pipelines.recipes import Recipe
from pipelines.training.fit import FitOptions
from pipelines.training.judges import JudgeOptions

_default = Recipe()
_brief = FitOptions(steps=150)

digits_quick = replace(
    _default,
    name="digits_quick",
    training=_brief,
    generator=replace(_default.generator, steps=200),
    judges=JudgeOptions(fit=_brief),
    shards=replace(_default.shards, count=2, attempts=300),
    evaluation=replace(_default.evaluation, attacks="fast", samples=100),
)
