"""Shares as whole numbers."""

from collections.abc import Mapping


def plain_mix(names: Mapping[str, float], total: int) -> dict[str, int]:
    """How many of `total` candidates each search makes: shares rounded by largest remainder, in the mix's order."""
    exact = {name: share * total for name, share in names.items()}
    counts = {name: int(value) for name, value in exact.items()}
    by_remainder = sorted(exact, key=lambda name: counts[name] - exact[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    return counts
