"""open_clip: `sizes.json`, samples by tar, in place of `--train-num-samples`."""

from data.files import canonical_json
from data.sidecars import Files, SetFacts, Sidecar


def _sizes(facts: SetFacts) -> Files:
    return {"sizes.json": canonical_json({shard.tar: shard.samples for shard in facts.shards})}


open_clip = Sidecar(of_set=_sizes)
