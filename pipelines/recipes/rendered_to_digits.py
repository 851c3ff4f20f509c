"""Sim-to-real: digits drawn from fonts have labels, 1,797 handwritten ones of 8x8 pixels lend none: docs/adapt.md."""

from dataclasses import replace

from data.sources import SourceOptions
from generators.options import CycleOptions
from pipelines.recipes import DEFAULT
from pipelines.training.adaptation.options import AdaptOptions

rendered_to_digits = replace(
    DEFAULT,
    name="rendered_to_digits",
    source=SourceOptions(name="rendered_digits", size=8, labelled=0, validation_share=0.1, test_share=0.1),
    adapt=AdaptOptions(
        target=SourceOptions(name="digits", labelled=0, validation_share=0.2, test_share=0.2),
        cycle=CycleOptions(steps=300, features=16, blocks=2, discriminator_features=16),
    ),
)
