"""How much of a corruption: five levels, 1 mild to 5 severe."""

from collections.abc import Sequence
from typing import TypeVar

Amount = TypeVar("Amount")

SEVERITIES = (1, 2, 3, 4, 5)


def at(severity: int, amounts: Sequence[Amount]) -> Amount:
    """The amount of a severity, of five amounts in rising order.

    Raises:
        ValueError: there is no such severity.
    """
    if severity not in SEVERITIES:
        raise ValueError(f"severity must be 1, 2, 3, 4 or 5, got {severity}")
    return amounts[SEVERITIES.index(severity)]
