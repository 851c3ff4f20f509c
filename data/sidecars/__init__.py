"""Small files beside the tars that let other people's readers open the set as it lies: one file a reader.

`data/sidecars/<name>.py` exports a `Sidecar` of its own name, and is written with every set. Same set, same bytes.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from data.forms import IMAGE_ALONE
from data.tars import Packed

Files = Mapping[str, bytes]
"""Name within the set's folder -> content."""


FACTS = {"label": "int64", "margin": "float64", "margin_before": "float64", "parents": "string", "search": "string"}
"""Fields of each sample's JSON -> type, in their order, where samples are images alone."""


def facts_of(shapes: Mapping[str, Sequence[int]]) -> dict[str, str]:
    """Fields of each sample's JSON -> type: of several modalities also which was touched and how far each moved."""
    if tuple(shapes) == IMAGE_ALONE:
        return FACTS
    more = {f"moved_{name}": "float64" for name in shapes} | {"touched": "string"}
    return dict(sorted({**FACTS, **more}.items()))


@dataclass(frozen=True)
class ShardRecord:
    """A finished shard, as the index lists it: names within the set's folder, sizes in bytes, digests in hex."""

    tar: str
    samples: int
    bytes: int
    sha256: str
    sidecars: Mapping[str, str]
    """File -> SHA-256."""


@dataclass(frozen=True)
class SetFacts:
    """What is known of a whole set when it is about to be finished.

    Attributes:
        name: the recipe's.
        split: of all its shards, `[a-z0-9_]+` without "tar" in it.
        class_names: label -> name.
        members: extension -> what it holds: "image", "label", "facts", "soft_label", "audio", "text", "features".
        shapes: modality -> shape of one input: images (channels, height, width), sound (channels, samples).
        shards: in the order of their numbers.
        refused: reason -> candidates, over the whole set.
        by_class: class name -> samples kept.
        by_search: search -> samples kept.
    """

    name: str
    split: str
    class_names: Sequence[str]
    members: Mapping[str, str]
    shapes: Mapping[str, Sequence[int]]
    shards: Sequence[ShardRecord]
    refused: Mapping[str, int]
    by_class: Mapping[str, int]
    by_search: Mapping[str, int]

    @property
    def samples(self) -> int:
        """Kept, over all shards."""
        return sum(shard.samples for shard in self.shards)

    @property
    def attempted(self) -> int:
        """Candidates tried, kept or refused."""
        return self.samples + sum(self.refused.values())


def no_files(*_: object) -> Files:
    """What a sidecar writes where it has nothing to say."""
    return {}


@dataclass(frozen=True)
class Sidecar:
    """What one reader needs beside the tars.

    Attributes:
        of_shard: (the tar's name, its layout) -> files.
        of_set: everything known at the end -> files.
    """

    of_shard: Callable[[str, Packed], Files] = no_files
    of_set: Callable[[SetFacts], Files] = no_files
