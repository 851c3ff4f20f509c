"""2,000 labelled images of clothing, 28x28, against L-inf 0.1: Fashion-MNIST as Debian packages it.

A classifier of 8 channels and two long steps of PGD, so that a training takes minutes on a CPU; docs/training.md. Its
judges know four in five of the samples: to let 0.5 % wrong labels pass they must refuse three in four of the right
ones, so that the default here is 5 %, a quarter of their own error.
"""

from dataclasses import replace

from data.sources import SourceOptions
from generators.options import Ball
from pipelines.recipes import DEFAULT

_ball = Ball(epsilon=0.1, steps=2, step_size=0.05)

fashion = replace(
    DEFAULT,
    name="fashion",
    source=SourceOptions(
        name="idx", path="/usr/share/datasets/fashion-mnist", labelled=2000, validation_share=0.1, test_share=0.0
    ),
    training=replace(DEFAULT.training, steps=1500, features=8, ball=_ball),
    generator=replace(DEFAULT.generator, features=16),
    judges=replace(DEFAULT.judges, fit=replace(DEFAULT.judges.fit, features=8, ball=_ball, ramp=0.2)),
    search=replace(DEFAULT.search, epsilon=0.1),
    shards=replace(DEFAULT.shards, attempts=1500, label_error=0.05),
    evaluation=replace(DEFAULT.evaluation, epsilon=0.1),
)
