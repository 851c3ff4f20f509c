"""Short English texts that twenty people each have rated: tweets, and sentences of film and product reviews.

Hutto and Gilbert 2014 (ICWSM), as the source archive of vaderSentiment 0.5 on the Python package index carries them,
under the MIT licence. A text is `positive` or `negative` where its mean rating, of -4 to 4, is at least `CLEAR` from 0;
what people found neither, or is longer than `source.length` bytes or 128, is left out: half a sentence may say
something else. `source.path` is that archive, which `COMMAND` fetches; a wheel does not hold the texts.
"""

import hashlib
import html
import io
import tarfile
import zipfile
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from data.errors import Damaged, WrongUse
from data.sources import Found, Source, SourceOptions, files_of

COMMAND = "pip download --no-deps --no-binary :all: vaderSentiment==0.5"
INNER = "vaderSentiment-0.5/additional_resources/hutto_ICWSM_2014.tar.gz"
SHA256 = "d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa"
"""Of that file in the archive."""
KINDS = ("tweets", "movieReviewSnippets", "amazonReviewSnippets")
"""Of editorials, the fourth kind, few are clear, and a classifier of words is right on 70 % of those."""
CLEAR = 1.5
LENGTH = 128


def rated_texts(options: SourceOptions) -> Source:
    """Texts of at most `source.length` bytes, or 128, padded with zeros.

    Raises:
        Damaged: the archive is not the one that was published.
        WrongUse: `source.path` leads to no such archive.
    """
    content = _archive(options)
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise Damaged(f"{options.path}: {INNER} is not the published one: fetch it again, {COMMAND}")
    return Source(("negative", "positive"), _samples(content, options.length or LENGTH), "text")


def _archive(options: SourceOptions) -> bytes:
    if not options.path:
        raise WrongUse(f"source.path is missing: rated_texts reads vaderSentiment-0.5.zip, which {COMMAND} fetches")
    store, names = files_of(replace(options, name="rated_texts"), ".zip")
    try:
        with zipfile.ZipFile(io.BytesIO(store.read(names[0]))) as archive:
            return archive.read(INNER)
    except (zipfile.BadZipFile, KeyError, EOFError) as error:
        raise WrongUse(f"{store.where(names[0])} is no vaderSentiment-0.5.zip ({error}): {COMMAND}") from error


def _samples(content: bytes, length: int) -> Iterator[Found]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for kind in KINDS:
            held = archive.extractfile(f"hutto_ICWSM_2014/{kind}_GroundTruth.txt")
            for row, line in enumerate(held or ()):
                _, rating, text = line.decode("utf-8", "replace").rstrip("\r\n").split("\t", 2)
                raw = html.unescape(text).strip().encode()
                if abs(float(rating)) >= CLEAR and len(raw) <= length:
                    padded = np.frombuffer(raw.ljust(length, b"\0"), np.uint8)
                    yield Found(f"{kind}[{row}]", padded, int(float(rating) > 0))
