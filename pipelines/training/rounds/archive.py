"""The archive: shards of older rounds that are still hard for the newest model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Archive:
    """What becomes of older shards, by the number of their round, the newest last."""

    kept: Sequence[int]
    dropped: Sequence[int]


def weighed(fooled: Mapping[int, float], newest: int, size: int, stale_below: float) -> Archive:
    """Keep, of the older shards, those that still fool the newest model, at most `size`.

    Args:
        fooled: round -> share of its shard that fools the newest model; the newest round's is among them.
        newest: that round.
        size: shards kept at most; of more, those that fool most, of equals the newer.
        stale_below: as a share of what the newest shard does; one that fools less is stale.
    """
    older = [number for number in fooled if number != newest]
    hard = [number for number in older if fooled[number] >= stale_below * fooled[newest]]
    kept = sorted(sorted(hard, key=lambda number: (fooled[number], number), reverse=True)[:size])
    return Archive(kept, [number for number in older if number not in kept])


def has_stalled(success: Sequence[float], patience: int, gain: float) -> bool:
    """Whether attack success on the newest model, round after round, has stopped falling.

    Args:
        success: share of each round's shard that fools the model it was made against.
        patience: rounds that may pass without one lower than all before by `gain`; 0 never stalls.
    """
    best, since = float("inf"), 0
    for rate in success:
        best, since = (rate, 0) if rate <= best - gain else (best, since + 1)
    return 0 < patience <= since


def least_fooled(success: Sequence[float]) -> int:
    """The model that an attack fools least, of equals the later; 0 is the one before the first round.

    Args:
        success: share of each round's shard that fools the model of the round before.
    """
    return max(range(len(success)), key=lambda number: (-success[number], number))
