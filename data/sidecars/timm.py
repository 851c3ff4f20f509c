"""timm: `_info.json`, from which `create_dataset("wds/...", root=...)` knows splits, files and counts."""

from data.files import canonical_json
from data.sidecars import Files, SetFacts, Sidecar


def _info(facts: SetFacts) -> Files:
    split = {
        "name": facts.split,
        "num_samples": facts.samples,
        "filenames": [shard.tar for shard in facts.shards],
        "shard_lengths": [shard.samples for shard in facts.shards],
    }
    return {"_info.json": canonical_json({"splits": {facts.split: split}})}


timm = Sidecar(of_set=_info)
