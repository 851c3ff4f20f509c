"""NumPy's .npz: `x` and `y` (or images, labels), or `x_train`, `y_train`, `x_test`, `y_test` as Keras keeps MNIST.

Read row by row from the zip file, so that neither a large array nor a false claim of one fills the memory.
"""

import math
import zipfile
import zlib
from collections.abc import Iterator
from itertools import product
from typing import BinaryIO, cast

import numpy as np

from data.errors import Damaged, WrongUse
from data.pixels import MOST_PIXELS
from data.sources import Found, Part, Source, SourceOptions, files_of, stream_of
from data.store import Store

LONGEST = 1000
"""Bytes of the longest label."""
_NAMES = ("x", "images", "data"), ("y", "labels", "targets")
_PARTS: tuple[tuple[str, Part | None], ...] = (
    ("{}", None),
    ("{}_train", "train"),
    ("{}_val", "validation"),
    ("{}_test", "test"),
    ("train_{}", "train"),
    ("val_{}", "validation"),
    ("test_{}", "test"),
)


def npz(options: SourceOptions) -> Source:
    """One file or a folder of them; uint8 images, or float ones in [0, 1]; labels are whole numbers or words."""
    store, names = files_of(options, ".npz")
    return Source((), (found for name in names for found in _samples(store, name)))


def _samples(store: Store, name: str) -> Iterator[Found]:
    try:
        with stream_of(store, name) as file, zipfile.ZipFile(file) as archive:
            pairs = list(_pairs(set(archive.namelist())))
            if not pairs:
                raise WrongUse(f"{store.where(name)} holds {archive.namelist()}, not x and y, or x_train and y_train")
            for images, labels, part in pairs:
                yield from _rows(archive, images, labels, part, f"{name}/{images.removesuffix('.npy')}")
    except (zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, ValueError, OSError) as error:
        if isinstance(error, WrongUse):
            raise
        raise Damaged(f"{store.where(name)} is damaged: {error}") from error


def _pairs(names: set[str]) -> Iterator[tuple[str, str, Part | None]]:
    for form, part in _PARTS:
        for images, labels in product(*_NAMES):
            pair = f"{form.format(images)}.npy", f"{form.format(labels)}.npy"
            if names.issuperset(pair):
                yield *pair, part


def _rows(archive: zipfile.ZipFile, images: str, labels: str, part: Part | None, where: str) -> Iterator[Found]:
    with archive.open(images) as pixels, archive.open(labels) as classes:
        (count, *shape), kind = _header(cast(BinaryIO, pixels), archive.getinfo(images))
        (listed, *more), label_kind = _header(cast(BinaryIO, classes), archive.getinfo(labels))
        if math.prod(more) != 1 or count != listed or label_kind.kind not in "iuU" or label_kind.itemsize > LONGEST:
            raise Damaged(f"{images} has {count} rows; {labels} has {listed}, of {label_kind}, not integers or words")
        if not 0 < math.prod(shape) <= MOST_PIXELS or kind.kind not in "uf":
            raise Damaged(f"{images} has rows of shape {shape} of {kind}: images of uint8 or float are needed")
        size = math.prod(shape) * kind.itemsize
        for row in range(count):
            image = np.frombuffer(_exactly(cast(BinaryIO, pixels), size), kind).reshape(shape)
            label = np.frombuffer(_exactly(cast(BinaryIO, classes), label_kind.itemsize), label_kind)
            yield Found(f"{where}[{row}]", image, label[0].item(), part)
        if pixels.read(1) or classes.read(1):  # reads to the end, where the zip file's CRC-32 is compared
            raise Damaged(f"{images} or {labels} goes on after {count} rows")


def _header(stream: BinaryIO, info: zipfile.ZipInfo) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(stream)
    if kind.hasobject:
        raise Damaged(f"{info.filename} holds Python objects, which only a pickle could read")
    if fortran or not shape:
        raise Damaged(f"{info.filename} is no array in C order: save np.ascontiguousarray of it")
    if math.prod(shape) * kind.itemsize > info.file_size:
        raise Damaged(f"{info.filename} claims shape {shape}, more than it holds")
    return shape, kind


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise Damaged("it ends before the rows that it claims")
    return content
