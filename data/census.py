"""What only the whole of a source tells: which classes there are, who comes twice, and who is in which part."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from data.errors import Damaged
from data.mixing import drawn
from data.sources import Part, SourceOptions, in_order

MOST_CLASSES = 10_000
"""More different labels than this are no classes but measurements, or names of samples."""


def classes_of(table: pa.Table, names: Sequence[str], few: float) -> tuple[tuple[str, ...], np.ndarray]:
    """The class names, and each sample's label, int64 (N,), -1 where it is none of those classes.

    Without names the labels themselves are the classes: numbers in their order, words in theirs. But what stands apart
    (a word among numbers, a number away from all others) is taken for a mistake as long as it is rare.

    Args:
        table: columns `label`, as text, and `numbered`: whether the source holds a number.
        names: as the source has them, or none.
        few: so many samples with labels that stand apart are mistakes.

    Raises:
        Damaged: there are more than `MOST_CLASSES` different labels.
    """
    counted = table.group_by(["label", "numbered"]).aggregate([([], "count_all")]).to_pylist()
    counts = {(row["label"], row["numbered"]): row["count_all"] for row in counted}
    names = tuple(names) or _names_of(counts, few)
    if len(names) > MOST_CLASSES:
        raise Damaged(f"{len(names)} different labels are no classes: is source.label_column the right one?")
    place = {name: label for label, name in enumerate(names)}
    return names, _mapped(table["label"], place, -1)


def _mapped(column: pa.ChunkedArray, values: Mapping[str, int], otherwise: int) -> np.ndarray:
    """A number for each text, int64 (N,)."""
    coded = column.combine_chunks().dictionary_encode()
    numbers = np.array([values.get(text, otherwise) for text in coded.dictionary.to_pylist()], np.int64)
    return numbers[coded.indices.to_numpy()] if len(numbers) else np.empty(0, np.int64)


def _names_of(counts: Mapping[tuple[str, bool], int], few: float) -> tuple[str, ...]:
    numbers = {int(label): count for (label, numbered), count in counts.items() if numbered}
    words = {label: count for (label, numbered), count in counts.items() if not numbered}
    if numbers and sum(words.values()) <= few:
        words = {}
    elif words and sum(numbers.values()) <= few:
        numbers = {}
    main = _main_run(numbers)
    apart = sum(count for number, count in numbers.items() if number not in main)
    kept = main if apart <= few else numbers
    return in_order({str(number) for number in kept} | set(words))


def _main_run(numbers: Mapping[int, int]) -> Sequence[int]:
    """Of the runs of consecutive numbers the one with most samples."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and runs[-1][-1] == number - 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return max(runs, key=lambda run: sum(numbers[number] for number in run), default=[])


class Copies(NamedTuple):
    """Samples of equal pixels.

    Attributes:
        first: int64 (N,), the sample that stays in each one's place; its own row for one that has no copy.
        conflicting: bool (N,), whether the copies have different labels.
    """

    first: np.ndarray
    conflicting: np.ndarray


def copies_of(keys: np.ndarray, labels: np.ndarray, declared: pa.ChunkedArray) -> Copies:
    """Find the samples that come more than once.

    Args:
        keys: uint64 (N, 2).
        labels: int64 (N,).
        declared: N parts, an empty text where none is; of copies in several parts the one in the test part stays, so
            that nothing of it is left in training, then the one in the validation part.
    """
    if not len(keys):
        return Copies(np.empty(0, np.int64), np.empty(0, bool))
    ranks = _mapped(declared, {"test": 0, "validation": 1, "train": 2}, 3)
    order = np.lexsort((np.arange(len(keys)), ranks, keys[:, 1], keys[:, 0]))
    new = np.ones(len(keys), bool)
    new[1:] = (keys[order][1:] != keys[order][:-1]).any(1)
    starts, group = np.flatnonzero(new), np.cumsum(new) - 1
    ordered = labels[order]
    differ = np.minimum.reduceat(ordered, starts) != np.maximum.reduceat(ordered, starts)
    first, conflicting = np.empty(len(keys), np.int64), np.empty(len(keys), bool)
    first[order], conflicting[order] = order[starts][group], differ[group]
    return Copies(first, conflicting)


def parts_apart(count: int, options: SourceOptions) -> tuple[Part, ...]:
    """The part of each font, speaker or whatever else no two parts may share, of `count` in all.

    They are shuffled by `options.split_seed`, and of each part there are as many as its share says, rounded, but at
    least one.
    """
    order = drawn(count, options.split_seed, 0, 0, count).tolist()
    test, validation = (
        max(1, round(share * count)) if share else 0 for share in (options.test_share, options.validation_share)
    )
    kinds: list[Part] = [*["test"] * test, *["validation"] * validation, *["train"] * count]  # type: ignore[list-item]
    parts = dict(zip(order, kinds, strict=False))
    return tuple(parts[place] for place in range(count))


def parts_of(keys: Iterator[str], declared: pa.ChunkedArray, options: SourceOptions) -> pa.Array:
    """The part of each sample: the declared one, or by the hash of its content.

    A part that the source declares nowhere is drawn from the samples it declares to be training or nothing; so much
    of them that its share of all is as asked if the declared ones have theirs.
    """
    known = set(pc.unique(declared).to_pylist())
    shares = {"test": options.test_share, "validation": options.validation_share}
    left = 1 - sum(share for part, share in shares.items() if part in known)
    test, validation = (0.0 if part in known else share / left for part, share in shares.items())

    def part_at(key: str) -> Part:
        place = place_of(key, options.split_seed)
        return "test" if place < test else "validation" if place < test + validation else "train"

    pairs = zip(keys, declared, strict=True)
    found = (part_at(key) if part.as_py() in ("", "train") else part.as_py() for key, part in pairs)
    return pa.array(found, pa.string(), size=len(declared))


def place_of(key: str, seed: int) -> float:
    """Where a sample falls in [0, 1), by its content and the seed alone."""
    return int.from_bytes(hashlib.sha256(f"{seed}/{key}".encode()).digest()[:8]) / 2**64


def digest_of_rows(rows: Iterator[str]) -> str:
    """SHA-256 of lines, in hex."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(f"{row}\n".encode())
    return digest.hexdigest()
