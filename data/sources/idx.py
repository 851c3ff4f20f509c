"""IDX files, the layout of MNIST: `train-images-idx3-ubyte`, `train-labels-idx1-ubyte`, `t10k-...`, gzipped or not.

The format is LeCun's, http://yann.lecun.com/exdb/mnist: two zero bytes, a type, the number of dimensions, then each
dimension, big-endian, then the values. Only unsigned bytes are read, as MNIST and those made like it have.
"""

import gzip
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO, cast

import numpy as np

from data.errors import Damaged, WrongUse
from data.pixels import MOST_PIXELS
from data.sources import Found, Source, SourceOptions, files_of, part_of, stream_of
from data.store import Store

_ENDINGS = ("ubyte", "ubyte.gz")


def idx(options: SourceOptions) -> Source:
    """A folder of image files, each with its label file beside it; `train` and `t10k` (or `test`) name the parts."""
    store, names = files_of(options, *_ENDINGS)
    pairs = [(name, name.replace("images", "labels").replace("idx3", "idx1")) for name in names if "images" in name]
    for images, labels in pairs:
        if labels not in names:
            raise WrongUse(f"{store.where(images)} has no labels beside it: {labels} is missing")
    if not pairs:
        raise WrongUse(f"{options.path} holds no file of images: one has `images` in its name")
    return Source((), (found for images, labels in pairs for found in _samples(store, images, labels)))


def _samples(store: Store, images: str, labels: str) -> Iterator[Found]:
    with _opened(store, images) as pixels, _opened(store, labels) as classes:
        count, *shape = _dimensions(pixels, store.where(images), 3)
        (listed,) = _dimensions(classes, store.where(labels), 1)
        if count != listed:
            raise Damaged(f"{store.where(images)} has {count} images, but {labels} has {listed} labels")
        size = shape[0] * shape[1]
        if not 0 < size <= MOST_PIXELS:
            raise Damaged(f"{store.where(images)} claims images of {shape[0]} x {shape[1]} pixels")
        for row in range(count):
            image = _exactly(pixels, size, store.where(images))
            label = _exactly(classes, 1, store.where(labels))[0]
            yield Found(f"{images}[{row}]", np.frombuffer(image, np.uint8).reshape(shape), label, part_of(images))
        if _read(pixels, 1, store.where(images)) or _read(classes, 1, store.where(labels)):
            raise Damaged(f"{store.where(images)} or its labels go on after {count} samples")


def _opened(store: Store, name: str) -> BinaryIO:
    stream = stream_of(store, name)
    return cast(BinaryIO, gzip.GzipFile(fileobj=stream)) if name.endswith(".gz") else stream


def _dimensions(stream: BinaryIO, where: str, count: int) -> tuple[int, ...]:
    zeros, kind, dimensions = struct.unpack(">HBB", _exactly(stream, 4, where))
    if (zeros, kind, dimensions) != (0, 8, count):
        raise Damaged(f"{where} is no IDX file of unsigned bytes in {count} dimensions")
    return struct.unpack(f">{count}I", _exactly(stream, 4 * count, where))


def _exactly(stream: BinaryIO, size: int, where: str) -> bytes:
    content = _read(stream, size, where)
    if len(content) != size:
        raise Damaged(f"{where} is cut: it ends before the samples that it claims")
    return content


def _read(stream: BinaryIO, size: int, where: str) -> bytes:
    try:
        return stream.read(size)
    except (OSError, EOFError, zlib.error) as error:
        raise Damaged(f"{where} is no whole gzip file ({error})") from error
