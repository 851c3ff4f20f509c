"""The dataset card, README.md: for Hugging Face datasets the types of every field, for people what is in the set.

Without declared features, `datasets` guesses them from the first five samples and then truncates floats to integers.
"""

import json
from collections.abc import Mapping

from data.sidecars import Files, SetFacts, Sidecar, facts_of

_TYPES: Mapping[str, Mapping[str, object]] = {
    "image": {"dtype": "image"},
    "soft_label": {"list": "float32"},
    "text": {"dtype": "string"},
    "audio": {"dtype": "binary"},  # decoding it needs a codec that not every torch can load
}


def _card(facts: SetFacts) -> Files:
    size = sum(shard.bytes for shard in facts.shards)
    head = {
        "configs": [{"config_name": "default", "data_files": [{"split": facts.split, "path": f"{facts.split}-*.tar"}]}],
        "dataset_info": {
            "features": _features(facts),
            "splits": [{"name": facts.split, "num_examples": facts.samples, "num_bytes": size}],
            "dataset_size": size,
        },
        "size_categories": [_size_category(facts.samples)],
        "tags": ["synthetic", "adversarial", "webdataset", "hardshard"],
    }
    yaml = b"\n".join(name.encode() + b": " + _yaml(value) for name, value in head.items())
    return {"README.md": b"---\n" + yaml + b"\n---\n" + _text(facts).encode()}


def _yaml(value: object) -> bytes:
    """JSON is YAML but for the escapes of characters that take more than four hex digits."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\x7f").encode("ascii", "backslashreplace")


def _features(facts: SetFacts) -> list[dict[str, object]]:
    fields: list[dict[str, object]] = [{"name": "__key__", "dtype": "string"}, {"name": "__url__", "dtype": "string"}]
    struct = {"struct": [{"name": name, "dtype": kind} for name, kind in facts_of(facts.shapes).items()]}
    types = {**_TYPES, "facts": struct, "label": _label(facts), "features": _nested(facts)}
    return fields + [{"name": extension, **types[kind]} for extension, kind in sorted(facts.members.items())]


def _label(facts: SetFacts) -> dict[str, object]:
    names = {str(label): name for label, name in enumerate(facts.class_names)}
    if len(set(names.values())) < len(names):  # Hugging Face refuses two classes of one name
        return {"dtype": "int64"}
    return {"dtype": {"class_label": {"names": names}}}


def _nested(facts: SetFacts) -> dict[str, object]:
    """A list in a list for each dimension of the features."""
    kind: dict[str, object] = {"list": "float32"}
    for _ in facts.shapes.get("features", [])[1:]:
        kind = {"list": kind}
    return kind


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

{facts.samples} synthetic samples near the decision boundary of a classifier, in {len(facts.shards)} WebDataset
shards of even length, made by hardshard. A search walks from real samples, or through a generator's latents, towards
the boundary; checks refuse what is not close to it, not real enough, a copy, or of doubtful label.

{facts.attempted} candidates were attempted = {facts.samples} kept + {facts.attempted - facts.samples} refused.

{_table("refused for", facts.refused, "candidates")}
{_table("search", facts.by_search)}
{_table("class", facts.by_class)}
## Members of each sample

{_table("member", facts.members, "what")}
Every candidate, kept or refused, has a row in `manifest/*.parquet`. `index.json` has the SHA-256 of every file; the set
is finished when it is there.

## Reading

webdataset:

```python
import webdataset
for sample in webdataset.WebDataset("{tars}", shardshuffle=False):
    print(sample["__key__"], sample["cls"])
```

Hugging Face datasets:

```python
import datasets
for sample in datasets.load_dataset("this/folder", split="{facts.split}"):
    print(sample["__key__"], sample["cls"])
```

timm:

```python
from timm.data import create_dataset
for image, label in create_dataset("wds/set", root="this/folder", split="{facts.split}"):
    print(image.size, label)
```
"""


def _table(first: str, rows: Mapping[str, object], second: str = "samples") -> str:
    lines = "".join(f"| {_cell(name)} | {value} |\n" for name, value in rows.items())
    return f"| {first} | {second} |\n| --- | --- |\n{lines}" if rows else ""


def _cell(name: str) -> str:
    """A name on one line that ends no column."""
    return " ".join(name.split()).replace("|", "\\|")


card = Sidecar(of_set=_card)
