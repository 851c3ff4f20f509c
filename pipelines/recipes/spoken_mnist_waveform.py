"""Pictures of digits (MNIST) paired with synthesised speech as sound, hardened by rounds as in `spoken_mnist`.

Radii to withstand: 0.2 of a picture's range, a hundredth of full scale of each sample of sound. The classifier hears
through a short-time Fourier transform of its own, so attacks move the sound itself; docs/modalities.md.
"""

from dataclasses import replace

from data.sources import Side
from pipelines.recipes.spoken_mnist import spoken_mnist
from pipelines.training.synthesis.options import SynthesisOptions

spoken_mnist_waveform = replace(
    spoken_mnist,
    name="spoken_mnist_waveform",
    source=replace(spoken_mnist.source, second=Side("espeak_digits", length=6400), drawn=4200),
    rounds=replace(spoken_mnist.rounds, keep="best", fit=replace(spoken_mnist.rounds.fit, averaging=0.99)),
    events=replace(
        spoken_mnist.events,
        epsilon={"image": 0.2, "audio": 0.01},
        quiet=0.1,
        reach={"image": 1.25, "audio": 1.3},
        shift={"image": 1, "audio": 800},
    ),
    synthesis=SynthesisOptions(ways={"synchronised": 1000}),
)
