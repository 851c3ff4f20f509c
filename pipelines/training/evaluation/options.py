"""What classifiers are measured by; without torch."""

from dataclasses import dataclass
from typing import Literal

from generators.options import Norm


@dataclass(frozen=True)
class EvaluationOptions:
    """What the arms of the comparison are measured by."""

    attacks: Literal["standard", "fast"] = "standard"
    """AutoAttack, PGD with restarts and transfer; or AutoAttack's first two attacks alone."""
    epsilon: float = 0.12
    norm: Norm = "linf"
    samples: int = 400
    """Test samples at most; the paired interval says what so many can show."""
    part: Literal["test", "validation"] = "test"
    """Tuning happens on the validation part; figures come from the test part."""
    reference: bool = False
    """Let the reference AutoAttack (package pyautoattack) attack what still stands, too."""

    def __post_init__(self) -> None:
        if not self.epsilon > 0:
            raise ValueError(f"evaluation.epsilon must be > 0, got {self.epsilon}")
        if not self.samples >= 1:
            raise ValueError(f"evaluation.samples must be >= 1, got {self.samples}")
