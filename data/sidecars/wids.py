"""wids: `wids-<split>.json`, version 1 of its shard index."""

from data.files import canonical_json
from data.sidecars import Files, SetFacts, Sidecar


def _index(facts: SetFacts) -> Files:
    shards = [{"url": s.tar, "nsamples": s.samples, "filesize": s.bytes} for s in facts.shards]
    index = {
        "__kind__": "wids-shard-index-v1",
        "wids_version": 1,
        "name": f"{facts.name}-{facts.split}",
        "shardlist": shards,
    }
    return {f"wids-{facts.split}.json": canonical_json(index)}


wids = Sidecar(of_set=_index)
