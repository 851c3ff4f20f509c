"""Reads a finished shard set whole: every sample, in the order of its shards."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import torch
from torch import Tensor

from data.errors import Damaged
from data.forms import IMAGE_ALONE, Form, forms_of
from data.shards import open_set
from data.store import Store
from data.tars import contents, members_of
from data.tensors import decoded


@dataclass(frozen=True)
class Sample:
    """One sample of a shard.

    Attributes:
        key: of the sample.
        inputs: modality -> its values: images uint8 (C, H, W), sound int16 (C, T), features float32, text uint8 (L,).
        label: the intended one.
        soft_label: float (K,).
        search: that made it.
        margin: the attacked model's.
        moved: modality -> how far it was moved, in its own units; nothing in a set of images alone.
    """

    key: str
    inputs: Mapping[str, Tensor]
    label: int
    soft_label: Tensor
    search: str
    margin: float
    moved: Mapping[str, float] = field(default_factory=dict)

    @property
    def image(self) -> Tensor:
        """Uint8 (C, H, W)."""
        return self.inputs["image"]


def read_samples(store: Store) -> list[Sample]:
    """Every sample of a finished shard set.

    Raises:
        Damaged: the set is unfinished, a file is altered, or a sample lacks a member.
    """
    found = open_set(store)
    samples, forms = [], forms_of(found.facts)
    for shard in found.shards:
        for key, members in samples_of(store.read(shard.tar)):
            samples.append(_decoded(f"{store.where(shard.tar)}, sample {key}", key, members, forms))
    if len(samples) != sum(shard.samples for shard in found.shards):
        raise Damaged(f"{store.url}: its tars hold {len(samples)} samples, not as many as its index: rebuild the set")
    return samples


def samples_of(tar: bytes) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Key and members, extension -> content, of each sample in a tar of ours.

    Raises:
        Damaged: it is no such tar.
    """
    for key, members in groupby(contents(tar), lambda member: member.name.partition(".")[0]):
        yield key, {m.name[len(key) + 1 :]: tar[m.offset : m.offset + m.size] for m in members}


def members_at(store: Store, tar: str, offset: int, length: int) -> dict[str, bytes]:
    """The members, extension -> content, of the sample that a manifest row places at `offset` in `tar`.

    Raises:
        Damaged: there is no such tar, or no sample there.
    """
    block = store.read_range(tar, offset, length)
    return {m.name.partition(".")[2]: block[m.offset : m.offset + m.size] for m in members_of(block)}


def _decoded(where: str, key: str, members: dict[str, bytes], forms: Mapping[str, Form]) -> Sample:
    try:
        soft = torch.from_numpy(np.load(io.BytesIO(members["probs.npy"]), allow_pickle=False))
        inputs = decoded(members, forms)
        facts = json.loads(members["json"])
        moved = {} if tuple(forms) == IMAGE_ALONE else {name: float(facts[f"moved_{name}"]) for name in forms}
        return Sample(key, inputs, int(members["cls"]), soft, facts["search"], float(facts["margin"]), moved)
    except (KeyError, TypeError, ValueError, Damaged) as error:
        raise Damaged(f"{where}: {error!r}; rebuild the set") from error
