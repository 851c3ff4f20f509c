"""Two sources of different modalities joined into events, by class or by name: `source.first` and `source.second`.

By class an event is any two samples of one class, drawn by `source.pair_seed`, as AV-MNIST pairs images and speech;
by id it is the two samples that bear one name, as members of a tar do. data/pairing.py makes the events.
"""

from data.errors import WrongUse
from data.sources import Source, SourceOptions, side_of, source_of


def paired(options: SourceOptions) -> Source:
    """Both sources, opened; neither is read yet."""
    sides: dict[str, Source] = {}
    for side in (options.first, options.second):
        if not side.name:
            raise WrongUse("paired joins two sources: source.first.name and source.second.name say which")
        found = source_of(side_of(options, side))
        if found.sides:
            raise WrongUse(f"a side of a pair is no pair itself: {side.name}")
        if found.modality in sides:
            raise WrongUse(f"both sides of the pair are {found.modality}: see source.second.modality")
        sides[found.modality] = found
    return Source((), iter(()), "", sides)
