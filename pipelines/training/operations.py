"""How a run is carried out; none of it changes a byte of what the run makes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OperationOptions:
    """What a run may take."""

    hours: float = 24.0
    """A run that takes longer is stopped and fails; what it finished is kept, and the next run goes on from there."""

    def __post_init__(self) -> None:
        if not 0 < self.hours < float("inf"):
            raise ValueError(f"operations.hours must be > 0 and finite, got {self.hours}")
