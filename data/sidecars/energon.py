"""Megatron-Energon: `<shard>.tar.idx` and the `.nv-meta` folder that `energon prepare` would make."""

from collections.abc import Mapping

import numpy as np

from data.files import canonical_json
from data.sidecars import Files, SetFacts, Sidecar
from data.tars import Packed

VERSION = "7.4.1"
"""The release whose `energon prepare` this follows."""
_PARTS = {"val": "val", "validation": "val", "test": "test"}
"""Our split -> energon's part; any other is for training."""
_SAMPLES = [
    ("ImageClassificationSample", {"image": "image", "label": "label"}),
    ("CaptioningSample", {"image": "image", "caption": "text"}),
]
"""Kinds of sample in the order we prefer them: field -> what the member holds."""


def _index(tar: str, packed: Packed) -> Files:
    """Where each sample begins and the last one ends, little-endian uint64."""
    return {f"{tar}.idx": np.array(packed.starts, dtype="<u8").tobytes()}


def _meta(facts: SetFacts) -> Files:
    counts = {shard.tar: shard.samples for shard in facts.shards}
    mine = _PARTS.get(facts.split, "train")
    parts = {part: list(counts) if part == mine else [] for part in ("train", "val", "test")}
    return {  # JSON is YAML
        ".nv-meta/.info.json": canonical_json({"energon_version": VERSION, "shard_counts": counts}),
        ".nv-meta/split.yaml": canonical_json({"split_parts": parts, "exclude": []}),
        ".nv-meta/dataset.yaml": canonical_json(_sample(facts.members)),
    }


def _sample(members: Mapping[str, str]) -> dict[str, object]:
    extension = {kind: name for name, kind in sorted(members.items(), reverse=True)}
    for name, fields in _SAMPLES:
        if set(fields.values()) <= set(extension):
            kind = {"__module__": "megatron.energon", "__class__": name}
            return {"sample_type": kind, "field_map": {field: extension[holds] for field, holds in fields.items()}}
    return {"__module__": "megatron.energon", "__class__": "CrudeWebdataset"}


energon = Sidecar(_index, _meta)
