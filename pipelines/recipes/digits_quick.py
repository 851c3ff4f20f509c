"""The whole path in under two minutes, to see that it runs; too short for figures to mean anything."""

from dataclasses import replace

from pipelines.recipes import DEFAULT
from pipelines.training.fitting.options import FitOptions, JudgeOptions

_brief = FitOptions(steps=150)

digits_quick = replace(
    DEFAULT,
    name="digits_quick",
    rehearsal=True,
    training=replace(DEFAULT.training, steps=150),
    generator=replace(DEFAULT.generator, steps=200),
    judges=JudgeOptions(fit=_brief),
    checks={**DEFAULT.checks, "agreement": 0.3},  # judges this short of training are sure of nothing
    shards=replace(DEFAULT.shards, count=2, parts=2, attempts=300),
    evaluation=replace(DEFAULT.evaluation, attacks="fast", samples=100),
)
