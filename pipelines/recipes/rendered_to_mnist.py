"""Printed digits have labels, 5,000 handwritten ones of MNIST, 28x28 pixels, lend none: docs/adapt.md."""

from dataclasses import replace

from data.sources import SourceOptions
from generators.options import CycleOptions
from pipelines.recipes import DEFAULT
from pipelines.training.adaptation.options import AdaptOptions
from pipelines.training.fitting.options import FitOptions

rendered_to_mnist = replace(
    DEFAULT,
    name="rendered_to_mnist",
    source=SourceOptions(name="rendered_digits", size=28, labelled=0, validation_share=0.1, test_share=0.1),
    adapt=AdaptOptions(
        target=SourceOptions(name="mnist5k", labelled=0, validation_share=0.2, test_share=0.2),
        cycle=CycleOptions(steps=200, batch_size=16, features=8, blocks=2, discriminator_features=16),
        architecture="halved_cnn",
        fit=FitOptions(objective="plain", steps=300, features=8, synthetic_share=0.75),
    ),
)
