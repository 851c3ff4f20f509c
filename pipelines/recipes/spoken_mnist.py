"""Pictures of digits (MNIST) paired with spoken ones, hardened by rounds against an attack on either side alone.

Radii to withstand: 0.2 of a picture's range, half a standard deviation of each feature of the speech. The judges' soft
labels have no weight, so that what is learned comes from the shards alone; docs/modalities.md.
"""

from dataclasses import replace

from data.sources import Side, SourceOptions
from pipelines.recipes import DEFAULT
from pipelines.training.events.options import EventOptions
from pipelines.training.fitting.options import FitOptions
from pipelines.training.rounds.options import RoundsOptions
from pipelines.training.synthesis.options import SynthesisOptions

spoken_mnist = replace(
    DEFAULT,
    name="spoken_mnist",
    source=SourceOptions(
        name="paired",
        first=Side("mnist5k"),
        second=Side("spoken_digits"),
        labelled=0,
        validation_share=0.1,
        test_share=0.15,
    ),
    judges=replace(DEFAULT.judges, folds=2),
    rounds=RoundsOptions(
        count=40,
        candidates=1200,
        steps=40,
        search=replace(RoundsOptions().search, steps=7),
        archive=3,
        soft=0.0,
        patience=0,
        fit=FitOptions(objective="plain", averaging=0.98),
    ),
    events=EventOptions(
        epsilon={"image": 0.2, "features": 0.5},
        reach={"image": 1.25, "features": 1.3},
        shift={"image": 1, "features": 8},
    ),
    synthesis=SynthesisOptions(
        ways={
            "paired_latent": 2000,
            "cross_modal_image": 2000,
            "cross_modal_features": 2000,
            "latent_walk_image": 1000,
            "latent_walk_features": 1000,
            "synchronised": 1000,
        }
    ),
)
