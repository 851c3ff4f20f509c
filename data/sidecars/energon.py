"""Megatron-Energon: `<shard>.tar.idx` and the `.nv-meta` folder that `energon prepare` would make."""

import numpy as np

from data.files import canonical_json
from data.sidecars import Files, SetFacts, Sidecar
from data.tars import Packed

VERSION = "7.4.1"
"""The release whose `energon prepare` this follows."""


def _index(tar: str, packed: Packed) -> Files:
    """Where each sample begins and the last one ends, little-endian uint64."""
    return {f"{tar}.idx": np.array(packed.starts, dtype="<u8").tobytes()}


def _meta(facts: SetFacts) -> Files:
    counts = {shard.tar: shard.samples for shard in facts.shards}
    parts = {"train": list(counts), "val": [], "test": []}
    image = next((extension for extension, kind in facts.members.items() if kind == "image"), "png")
    sample = {
        "sample_type": {"__module__": "megatron.energon", "__class__": "ImageClassificationSample"},
        "field_map": {"image": image, "label": "cls"},
    }
    return {  # JSON is YAML
        ".nv-meta/.info.json": canonical_json({"energon_version": VERSION, "shard_counts": counts}),
        ".nv-meta/split.yaml": canonical_json({"split_parts": parts, "exclude": []}),
        ".nv-meta/dataset.yaml": canonical_json(sample),
    }


energon = Sidecar(_index, _meta)
