"""What somebody's folder or file probably holds: which source reads it, and how its images had better come in."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, UnidentifiedImageError

from data.errors import Damaged, WrongUse
from data.pixels import FORMATS, pixels_of
from data.refused import Refused
from data.sources import IMAGES, Found, SourceOptions, files_of, source_of, stream_of

MOST = 10_000
"""Samples that are looked at."""
LARGE = 64
"""Pixels a side up to which images keep their size: the networks here are small, and their cost grows with it."""
USUAL = 32
"""Pixels a side that larger images, or images of many sizes, are brought to."""
ENDINGS: Mapping[str, Sequence[str]] = {
    "image_folder": IMAGES,
    "parquet": (".parquet",),
    "webdataset": (".tar",),
    "npz": (".npz",),
    "idx": ("ubyte", "ubyte.gz"),
}
"""Source -> what its files end in."""
LABELS = ("label", "labels", "class", "target", "category", "y")
"""What columns of labels are called."""
NO_LABELS = ("id", "idx", "index", "key", "path", "file", "filename", "file_name", "__index_level_0__")
"""What columns are called that name samples."""
_GREY = ("1", "L", "LA")


@dataclass(frozen=True)
class Guess:
    """What a folder or file probably holds.

    Attributes:
        source: as a recipe takes it.
        looked: samples that were looked at; `whole` says whether these are all.
        classes: class name -> samples of it among these; of samples without a label none.
        parts: part that the source names -> samples among these; an empty name where it names none.
        sizes: (height, width) -> images of that size among these, the most frequent first.
        unread: images among these that nothing could read.
        why_size: why images keep their size, or get another one.
        told: why this source, then what to mind, in sentences.
    """

    source: SourceOptions
    looked: int
    whole: bool
    classes: Mapping[str, int]
    parts: Mapping[str, int]
    sizes: Mapping[tuple[int, int], int]
    unread: int
    why_size: str
    told: Sequence[str]


def guess(path: str, most: int = MOST) -> Guess:
    """Look at the first samples of a folder, file or URL.

    Raises:
        Damaged: a file is broken from the start, or none of the images can be read.
        WrongUse: there is nothing that a source reads; the message says what there could be.
    """
    options, told = _layout(path)
    source = source_of(options)
    found = list(map(_looked_at, islice(source.samples, most)))
    whole = len(found) < most or next(source.samples, None) is None
    sizes = Counter(size for _, _, size, _ in found if size)
    if not sizes:
        raise Damaged(f"{path} holds no image that can be read, of {len(found)} looked at")
    grey = sum(mode in _GREY for *_, mode in found)
    size, why = _size_of(dict(sizes.most_common()))
    names: dict[int | str, str] = dict(enumerate(source.class_names))
    classes = Counter(_shown(names.get(label, str(label))) for label, *_ in found if label is not None)
    share = _share(len(found), whole=whole)
    source_options = replace(options, size=size, channels=1 if 2 * grey > len(found) else 3)
    source_options = replace(source_options, validation_share=share, test_share=share)
    every = {name: classes[name] for name in map(_shown, source.class_names)} or dict(
        sorted(classes.items(), key=_in_order)
    )
    parts = Counter(part for _, part, *_ in found)
    unread = len(found) - sizes.total()
    doubts = _doubts(every, len(found) - classes.total(), unread)
    by_size = dict(sizes.most_common())
    return Guess(source_options, len(found), whole, every, parts, by_size, unread, why, [*told, *doubts])


def _layout(path: str) -> tuple[SourceOptions, list[str]]:
    """The source that reads most of the files there."""
    counts: Counter[str] = Counter()
    plain = SourceOptions(path=path, labelled=0)
    for name, endings in ENDINGS.items():
        try:
            counts[name] = len(files_of(replace(plain, name=name), *endings)[1])
        except WrongUse:
            continue
    if not counts:
        known = "; ".join(f"{name} ({', '.join(endings)})" for name, endings in ENDINGS.items())
        raise WrongUse(f"{path} holds no file that a source reads: {known}; docs/sources.md")
    (name, files), *others = counts.most_common()
    told = [f"{files} {'file' if files == 1 else 'files'} for the source {name}"]
    told += [f"{count} files would be for the source {other}: these are left out" for other, count in others]
    options = replace(plain, name=name)
    return (_with_columns(options) if name == "parquet" else options), told


def _with_columns(options: SourceOptions) -> SourceOptions:
    """The same with the columns that look like images and like labels."""
    store, names = files_of(options, ".parquet")
    try:
        schema = pq.read_schema(stream_of(store, names[0]))
    except (pa.ArrowException, OSError) as error:
        raise Damaged(f"{store.where(names[0])} is no whole Parquet file ({error})") from error
    images = [field.name for field in schema if _holds_images(field.type)]
    rest = [field for field in schema if field.name not in images]
    named = [field.name for field in rest if field.name.lower() in LABELS]
    able = [field for field in rest if pa.types.is_integer(field.type) or pa.types.is_string(field.type)]
    plain = [field.name for field in able if field.name.lower() not in NO_LABELS]
    if not images or not (named or plain):
        raise WrongUse(
            f"{store.where(names[0])} has the columns {', '.join(schema.names)}: one of images (bytes, or a struct of "
            "bytes and path) and one of labels (whole numbers or words) are needed"
        )
    return replace(options, image_column=images[0], label_column=(named or plain)[0])


def _holds_images(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(field.name == "bytes" for field in kind)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _looked_at(found: Found) -> tuple[int | str | None, str, tuple[int, int] | None, str]:
    """Label, part or nothing, (height, width) or None, mode as Pillow calls it; of a file only the head is decoded."""
    label, part = found.label, found.part or ""
    try:
        if isinstance(found.content, np.ndarray):
            channels, height, width = pixels_of(found.content).shape
            return label, part, (height, width), "L" if channels == 1 else "RGB"
        with Image.open(io.BytesIO(found.content), formats=FORMATS) as image:
            return label, part, (image.height, image.width), image.mode
    except (Refused, UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return label, part, None, ""


def _size_of(sizes: Mapping[tuple[int, int], int]) -> tuple[int, str]:
    """`source.size`, and why."""
    (height, width), *others = sizes
    said = (
        f"images are {width} x {height}" if not others else f"images have {len(sizes)} sizes, most {width} x {height}"
    )
    if others or max(height, width) > LARGE:
        least = min(min(size) for size in sizes)
        size = min(USUAL, least + least % 2)
        return size, f"{said}: brought to {size} x {size}; larger ones show more and cost more time"
    if height == width:
        size = height + height % 2
        return size, said if size == height else f"{said}: brought to {size} x {size}, as sides must be even"
    if height % 2 or width % 2:
        size = max(height, width) + max(height, width) % 2
        return size, f"{said}: brought to {size} x {size}, as sides must be even"
    return 0, f"{said}, and stay so"


def _share(looked: int, *, whole: bool) -> float:
    """More of a small source is held out, or figures would show nothing."""
    return 0.2 if whole and looked < 5000 else 0.1


def _shown(name: str) -> str:
    """A class name that a terminal shows and does not obey."""
    return name if name.isprintable() else ascii(name)


def _in_order(item: tuple[str, int]) -> tuple[bool, int, str]:
    name = item[0]
    return (not name.isdecimal(), int(name) if name.isdecimal() else 0, name)


def _doubts(classes: Mapping[str, int], unlabelled: int, unread: int) -> list[str]:
    told = []
    if unread:
        told.append(f"{unread} images cannot be read: they will be quarantined, and the run stops above 1 %")
    if unlabelled:
        told.append(f"{unlabelled} samples have no label: they will be quarantined, and the run stops above 1 %")
    if len(classes) < 2:
        told.append("one class has no boundary to find hard samples at: two or more are needed")
    elif len(classes) > 100:
        told.append(f"{len(classes)} classes: is the label really a class?")
    return told
