"""Croissant: `croissant.json`, the set described for mlcroissant and dataset search engines.

MLCommons' Croissant format 1.0 (Akhtar et al. 2024, arXiv:2403.19546): a FileObject a tar with its SHA-256, a FileSet a
kind of member, and records that join key, image and label on the sample key.
"""

from data.files import canonical_json
from data.sidecars import Files, SetFacts, Sidecar

_NAMES = (
    "citeAs column equivalentProperty extract field fileProperty fileObject fileSet format includes isLiveDataset "
    "jsonPath key md5 parentField path recordSet references regex repeated replace samplingRate separator source "
    "subField transform"
)
_CONTEXT: dict[str, object] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    **{name: f"cr:{name}" for name in _NAMES.split()},
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
}
_ENCODINGS = {"cls": "text/plain", "jpg": "image/jpeg"}


def _description(facts: SetFacts) -> Files:
    image = next((extension for extension, kind in facts.members.items() if kind == "image"), "")
    parts = [extension for extension in (image, "cls") if extension in facts.members]
    described = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": facts.name,
        "description": f"{facts.samples} synthetic samples near a classifier's decision boundary, made by hardshard.",
        "distribution": [*_tars(facts), *(_members(facts, extension) for extension in parts)],
        "recordSet": [_labels(facts), _samples(image)] if len(parts) == 2 else [],
    }
    return {"croissant.json": canonical_json(described)}


def _tars(facts: SetFacts) -> list[dict[str, object]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": shard.tar,
            "name": shard.tar,
            "contentUrl": shard.tar,
            "contentSize": f"{shard.bytes} B",
            "encodingFormat": "application/x-tar",
            "sha256": shard.sha256,
        }
        for shard in facts.shards
    ]


def _members(facts: SetFacts, extension: str) -> dict[str, object]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{extension}-files",
        "name": f"{extension}-files",
        "containedIn": [{"@id": shard.tar} for shard in facts.shards],
        "encodingFormat": _ENCODINGS.get(extension, f"image/{extension}"),
        "includes": f"*.{extension}",
    }


def _field(record: str, name: str, kind: str, extension: str, what: str) -> dict[str, object]:
    source: dict[str, object] = {"fileSet": {"@id": f"{extension}-files"}, "extract": {"fileProperty": what}}
    if what == "filename":
        source["transform"] = {"regex": "^([^.]*)"}
    field = {"@type": "cr:Field", "@id": f"{record}/{name}", "name": f"{record}/{name}", "dataType": kind}
    return {**field, "source": source}


def _labels(facts: SetFacts) -> dict[str, object]:
    fields = [
        _field("labels", "key", "sc:Text", "cls", "filename"),
        _field("labels", "label", "sc:Integer", "cls", "content"),
    ]
    return {"@type": "cr:RecordSet", "@id": "labels", "name": "labels", "field": fields}


def _samples(image: str) -> dict[str, object]:
    key = _field("samples", "key", "sc:Text", image, "filename")
    label = {
        "@type": "cr:Field",
        "@id": "samples/label",
        "name": "samples/label",
        "dataType": "sc:Integer",
        "source": {"field": {"@id": "labels/label"}},
    }
    fields = [
        {**key, "references": {"field": {"@id": "labels/key"}}},
        _field("samples", "image", "sc:ImageObject", image, "content"),
        label,
    ]
    return {"@type": "cr:RecordSet", "@id": "samples", "name": "samples", "field": fields}


croissant = Sidecar(of_set=_description)
