"""The dataset card, README.md: for Hugging Face datasets the types of every field, for people what is in the set.

Without declared features, `datasets` guesses them from the first five samples and then truncates floats to integers.
"""

import json
from collections.abc import Mapping

from data.sidecars import FACTS, Files, SetFacts, Sidecar

_TYPES: Mapping[str, object] = {
    "image": {"dtype": "image"},
    "facts": {"struct": [{"name": name, "dtype": kind} for name, kind in FACTS.items()]},
    "soft_label": {"list": "float32"},
    "text": {"dtype": "string"},
    "audio": {"dtype": "binary"},  # decoding it needs a codec that not every torch can load
    "features": {"list": "float32"},
}


def _card(facts: SetFacts) -> Files:
    head = {
        "configs": [{"config_name": "default", "data_files": [{"split": facts.split, "path": f"{facts.split}-*.tar"}]}],
        "dataset_info": {
            "features": _features(facts),
            "splits": [{"name": facts.split, "num_examples": facts.samples, "num_bytes": _bytes(facts)}],
            "dataset_size": _bytes(facts),
        },
        "size_categories": [_size_category(facts.samples)],
        "tags": ["synthetic", "adversarial", "webdataset", "hardshard"],
    }
    yaml = "\n".join(f"{name}: {json.dumps(value)}" for name, value in head.items())  # JSON is YAML
    return {"README.md": f"---\n{yaml}\n---\n{_text(facts)}".encode()}


def _features(facts: SetFacts) -> list[dict[str, object]]:
    names = {str(label): name for label, name in enumerate(facts.class_names)}
    label = {"dtype": {"class_label": {"names": names}}}
    fields: list[dict[str, object]] = [{"name": "__key__", "dtype": "string"}, {"name": "__url__", "dtype": "string"}]
    for extension, kind in sorted(facts.members.items()):
        kinds = label if kind == "label" else _TYPES[kind]
        fields.append({"name": extension, **kinds})  # type: ignore[dict-item]
    return fields


def _bytes(facts: SetFacts) -> int:
    return sum(shard.bytes for shard in facts.shards)


def _size_category(samples: int) -> str:
    for below, name in ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")):
        if samples < below:
            return name
    return "n>1M"


def _text(facts: SetFacts) -> str:
    last = f"{len(facts.shards) - 1:06d}"
    tars = f"{facts.split}-{{000000..{last}}}.tar" if len(facts.shards) > 1 else f"{facts.split}-000000.tar"
    return f"""
# {facts.name}: samples that a model finds hard

{facts.samples} synthetic samples near the decision boundary of a classifier, in {len(facts.shards)} WebDataset shards,
made by hardshard. {facts.attempted} candidates were attempted; {facts.attempted - facts.samples} were refused.

{_table("refused for", facts.refused)}
{_table("search", facts.by_search)}
{_table("class", facts.by_class)}
## Fields

{_table("member", facts.members, "what")}
Every candidate, kept or refused, has a row in `manifest/*.parquet`. `index.json` has the SHA-256 of every file; the set
is finished when it is there.

## Reading

```python
import webdataset as wds
data = wds.WebDataset("{tars}", shardshuffle=False)

import datasets
data = datasets.load_dataset("this/folder", split="{facts.split}")

from timm.data import create_dataset
data = create_dataset("wds/", root="this/folder", split="{facts.split}")
```
"""


def _table(first: str, rows: Mapping[str, object], second: str = "samples") -> str:
    lines = "".join(f"| {name} | {value} |\n" for name, value in rows.items())
    return f"| {first} | {second} |\n| --- | --- |\n{lines}" if rows else ""


card = Sidecar(of_set=_card)
