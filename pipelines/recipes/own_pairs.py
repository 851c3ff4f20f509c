"""Your own pairs, a folder a class on each side: `hardshard init PICTURES SOUNDS` writes a recipe that differs from it.

Radii, lengths and what joins the sides are your data's; the rounds are those of `spoken_mnist`, half as many. There are
generators of pictures and features alone: docs/pair-synthesis.md.
"""

from dataclasses import replace

from data.sources import Side, SourceOptions
from pipelines.recipes.spoken_mnist import spoken_mnist
from pipelines.training.events.options import EventOptions
from pipelines.training.synthesis.options import SynthesisOptions

own_pairs = replace(
    spoken_mnist,
    name="own_pairs",
    source=SourceOptions(
        name="paired",
        first=Side("image_folder"),
        second=Side("image_folder"),
        labelled=0,
        validation_share=0.1,
        test_share=0.1,
    ),
    rounds=replace(spoken_mnist.rounds, count=20),
    events=EventOptions(epsilon={"image": 0.0314}),
    synthesis=SynthesisOptions(ways={"synchronised": 1000}),
)
