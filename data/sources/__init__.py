"""Real samples: one file a source, which exports a function of its own name: `(part, SourceOptions) -> Batch`.

Part is "train" (labelled, what every stage may learn from), "validation" (tuning and early figures) or "test" (read
by the final evaluation alone).
"""

from dataclasses import dataclass
from typing import Literal

Part = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class SourceOptions:
    """Where the real samples come from and how many of them count as labelled."""

    name: str = "digits"
    """A file of data/sources."""
    labelled: int = 300
    """Training samples, the same number of each class."""
    split_seed: int = 0
    """Which samples fall into which part."""

    def __post_init__(self) -> None:
        if not self.labelled >= 1:
            raise ValueError(f"source.labelled must be >= 1, got {self.labelled}")
