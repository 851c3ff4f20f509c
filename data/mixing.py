"""Which samples a batch holds: the arithmetic of epochs, shares, ranks and shuffles, with nothing read or written.

A step is one batch on every rank. What a step holds follows from (seed, epoch, step) and the samples a step, so any
process works it out alone, a run resumes anywhere at no cost, and ranks may become more or fewer as long as
`world * batch_size` stays. The orders come from integer arithmetic alone, so no NumPy release changes them.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from data.errors import WrongUse

Integers = NDArray[np.int64]
_Words = NDArray[np.uint64]
_CHUNK = 4096
"""Positions of an endless order worked out at a time."""
_ROUNDS = 8
"""Of the Feistel network; even. From four on no test tells a wide one from chance (Luby and Rackoff 1988)."""
_FEWEST_BITS = 6
"""Narrower networks favour some orders: with 3 bits the 120 orders of five rows failed chi-square, with 6 they pass."""


@dataclass(frozen=True)
class Mixture:
    """Epochs of batches from several parts.

    An epoch has `samples` samples, of each part its quota (see `quotas`). Every part is drawn from its own endless
    order, pass after pass, on across epochs: within a pass no row is lost or comes twice. Each batch holds of each
    part quota / number of batches, rounded up or down, and so do any first steps of an epoch; its size is
    samples / number of batches, rounded up or down; every rank has the same number of batches.

    Attributes:
        sizes: rows of each part.
        shares: of each part, above 0, summing to 1; or empty, and every part is passed once an epoch.
        batch_size: most samples of one batch.
        seed: of all orders, >= 0.
        world: how many ranks there are.
        samples: of an epoch; 0 for as many as pass the first part exactly once.
    """

    sizes: tuple[int, ...]
    shares: tuple[float, ...]
    batch_size: int
    seed: int
    world: int = 1
    samples: int = 0

    def __post_init__(self) -> None:
        if not (self.sizes and all(size >= 1 for size in self.sizes)):
            raise WrongUse(f"every part must hold a sample, got sizes {self.sizes}")
        if not (self.batch_size >= 1 and self.world >= 1 and self.seed >= 0 and self.samples >= 0):
            raise WrongUse(
                f"batch_size and world must be >= 1, seed and samples >= 0, "
                f"got {self.batch_size}, {self.world}, {self.seed}, {self.samples}"
            )
        if sum(self.quotas) < self.steps * self.world:
            raise WrongUse(
                f"{sum(self.quotas)} samples cannot fill {self.steps * self.world} batches: "
                "fewer ranks, or a batch_size above 1"
            )

    @cached_property
    def quotas(self) -> tuple[int, ...]:
        """Samples of each part in an epoch."""
        return quotas(self.sizes, self.shares, self.samples)

    @property
    def steps(self) -> int:
        """Batches of an epoch on each rank."""
        return _ceil(sum(self.quotas), self.world * self.batch_size)

    @cached_property
    def _dealt(self) -> Integers:
        return spread(self.quotas, self.steps)

    def batch(self, epoch: int, step: int, rank: int) -> tuple[Integers, Integers]:
        """One batch: the part of each sample, and its row in that part, both int64 (B,)."""
        first, last = self._dealt[step].tolist(), self._dealt[step + 1].tolist()
        rows, turn = [], (rank - step) % self.world
        for part, (start, end) in enumerate(zip(first, last, strict=True)):
            before = epoch * self.quotas[part]
            found = drawn(self.sizes[part], self.seed, part, before + start, before + end)
            rows.append(found[turn :: self.world])
            turn = (turn - len(found)) % self.world
        order, parts = _interleaved(tuple(map(len, rows)))
        return parts, np.concatenate(rows)[order]


def quotas(sizes: Sequence[int], shares: Sequence[float], samples: int = 0) -> tuple[int, ...]:
    """How many samples of each part make an epoch: share * samples by largest remainder, so less than one off.

    Each part gets its exact quota rounded down; what is left goes, one each, to the largest remainders, the earlier
    part first among equals. Shares are taken as they are written: 0.7 is 7/10.

    Args:
        sizes: rows of each part.
        shares: of each part; empty for shares in proportion to the sizes.
        samples: of an epoch; 0 for round(sizes[0] / shares[0]), and then the first quota is sizes[0].

    Raises:
        WrongUse: shares do not fit the parts or do not sum to 1, or one is too small for a single sample.
    """
    weights = _weights(sizes, shares)
    total = samples or round(sizes[0] / weights[0])
    exact = [total * weight for weight in weights]
    found = [math.floor(quota) for quota in exact]
    open_parts = range(0 if samples else 1, len(sizes))
    if not samples:
        found[0] = sizes[0]
    by_remainder = sorted(open_parts, key=lambda part: found[part] - exact[part])
    for part in by_remainder[: total - sum(found)]:
        found[part] += 1
    if not all(found):
        raise WrongUse(f"share {float(weights[found.index(0)]):.3g} is no sample in an epoch of {total}: leave it out")
    return tuple(found)


def _weights(sizes: Sequence[int], shares: Sequence[float]) -> list[Fraction]:
    if not shares:
        return [Fraction(size, sum(sizes)) for size in sizes]
    if len(shares) != len(sizes) or not all(share > 0 for share in shares) or not abs(sum(shares) - 1) < 1e-6:
        raise WrongUse(f"{len(sizes)} parts need as many shares, each above 0, summing to 1, got {tuple(shares)}")
    written = [Fraction(str(share)) for share in shares]
    return [share / sum(written) for share in written]


def spread(counts: Sequence[int], steps: int) -> Integers:
    """How many of each part are dealt before each step: int64 (steps + 1, parts), from zeros to `counts`.

    At every step a part gets counts / steps rounded up or down, so does the sum of all, and after any number of steps
    it has had its exact share of them rounded up or down. That is a Pfair schedule with one processor for each sample
    that a step holds beyond those rounded down (Baruah et al. 1996, Algorithmica 15); the sum's own rest takes part
    as one more task.
    """
    rests = [count % steps for count in counts]
    rests.append(-sum(rests) % steps)
    period = steps // math.gcd(steps, *rests)
    more = _fair([rest * period // steps for rest in rests], period)[:, :-1]
    each = np.tile(more, (steps // period, 1)) + np.array([count // steps for count in counts])
    return np.concatenate([np.zeros((1, len(counts)), np.int64), each.cumsum(0)])


def _fair(rests: Sequence[int], steps: int) -> Integers:
    """The steps at which each task runs, 0 or 1 (steps, tasks): `rests` times, equally many tasks at each step."""
    at_once = sum(rests) // steps
    chosen = np.zeros((steps, len(rests)), np.int64)
    coming = [_subtasks(rest, steps) for rest in rests]
    heads = [next(tasks) for tasks in coming]
    for step in range(steps if at_once else 0):
        ready = sorted((urgency, task) for task, (release, urgency) in enumerate(heads) if release <= step)
        for _, task in ready[:at_once]:
            chosen[step, task] = 1
            heads[task] = next(coming[task])
    return chosen


def _subtasks(rest: int, steps: int) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """From which step each turn of a task may run, and its urgency, smallest first.

    The order of PD2 (Anderson and Srinivasan 2004, JCSS 68): the earlier deadline; then the turn whose window overlaps
    the next one; then the one whose chain of forced turns ends later.
    """
    free = steps - rest
    for turn in range(1, rest + 1):
        deadline = _ceil(turn * steps, rest)
        overlaps = turn * steps % rest != 0
        chain_end = _ceil(_ceil(deadline * free, steps) * steps, free) if 2 * rest >= steps else 0
        yield (turn - 1) * steps // rest, (deadline, -int(overlaps), -chain_end)
    yield steps, (0, 0, 0)


def _ceil(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


@lru_cache(maxsize=1024)
def _interleaved(counts: tuple[int, ...]) -> tuple[Integers, Integers]:
    """The order that mixes runs of these lengths evenly, and the run of each place then, both int64 (sum,)."""
    where = np.concatenate([(np.arange(count) + 0.5) / max(count, 1) for count in counts])
    order = np.argsort(where, kind="stable")
    return order, np.repeat(np.arange(len(counts)), counts)[order]


def drawn(size: int, seed: int, part: int, first: int, last: int) -> Integers:
    """Rows at places `first` to `last` of a part's endless order, which passes all `size` rows again and again.

    Every pass has its own order, a function of (seed, part, pass). Returns int64 (last - first,).
    """
    chunks = range(first // _CHUNK, _ceil(last, _CHUNK))
    found = np.concatenate([_chunk(size, seed, part, number) for number in chunks] or [np.zeros(0, np.int64)])
    start = first - chunks.start * _CHUNK
    return found[start : start + last - first]


@lru_cache(maxsize=256)
def _chunk(size: int, seed: int, part: int, number: int) -> Integers:
    places = np.arange(number * _CHUNK, (number + 1) * _CHUNK, dtype=np.uint64)
    key = _hashed(_hashed(_hashed(np.array([seed % 2**64], np.uint64)) + np.uint64(part)) + places // np.uint64(size))
    bits = max((size - 1).bit_length(), _FEWEST_BITS)
    rows = _permuted(places % np.uint64(size), key, bits)
    while (outside := rows >= size).any():  # a permutation of more than the rows: walk on until back among them
        rows[outside] = _permuted(rows[outside], key[outside], bits)
    return rows.astype(np.int64)


def _permuted(x: _Words, key: _Words, bits: int) -> _Words:
    """A permutation of [0, 2**bits) that `key` chooses, element by element: a Feistel network."""
    high, low = bits // 2, bits - bits // 2
    left, right = x >> np.uint64(low), x & np.uint64(2**low - 1)
    for turn in range(_ROUNDS):
        noise = _hashed(key + right + np.uint64(turn << 40))
        left, right = right, left ^ (noise & np.uint64(2**high - 1))
        high, low = low, high
    return (left << np.uint64(low)) | right


def _hashed(x: _Words) -> _Words:
    """SplitMix64 (Steele et al. 2014, OOPSLA): every bit of the result depends on every bit of `x`."""
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
