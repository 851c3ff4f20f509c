"""What an audit looks at, and how hard it tries."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Literal

from data.plugins import names_of
from pipelines.training.models.descriptions import Names, Numbers

FULL_OF = 0.3
"""L2 radius that is taken for an L-inf one, as a share of the longest change that the L-inf ball holds. Usual pairs:
0.29 for CIFAR-10 (8/255 and 0.5), 0.24 for MNIST (0.3 and 2), 0.49 for ImageNet (4/255 and 3)."""


@dataclass(frozen=True)
class AuditOptions:
    """The audit of one model. Radii are in input units: pixels are in [0, 1]."""

    part: Literal["test", "validation", "train"] = "test"
    samples: int = 400
    """At most."""
    norms: Literal["both", "linf", "l2"] = "both"
    linf: float = 0.0
    """Radius that the figures are about; 0 for evaluation.epsilon."""
    l2: float = 0.0
    """Likewise; 0 for 0.3 * sqrt(values an image) times the L-inf radius."""
    factors: Numbers = (0.5, 1.5, 2.0)
    """Of these radii, where attacks of fixed radius are tried as well."""
    attacks: Names = ("fgsm", "pgd", "apgd_ce", "apgd_dlr", "square", "deepfool", "fab", "cw")
    """Files of generators/attacks that are run on every sample, before the suite attacks what stands."""
    steps: int = 50
    """Of each attack; `square` has ten times as many queries, `cw` twice as many steps in each of nine searches."""
    suite: Literal["fast", "standard"] = "fast"
    """On what stands at the radius: AutoAttack's first two attacks or all four, PGD with restarts, and transfer."""
    corruptions: bool = True
    masking: bool = True
    """Look for gradient masking."""
    generator: str = ""
    """A run's folder whose generator makes samples to search among; empty for this run's own, if it has one."""
    candidates: int = 500
    """Of that generator."""

    def __post_init__(self) -> None:
        for name in ("samples", "steps", "candidates"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"audit.{name} must be >= 1, got {getattr(self, name)}")
        for name in ("linf", "l2"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"audit.{name} must be >= 0 and finite, got {getattr(self, name)}")
        if not all(0 < factor <= 10 for factor in self.factors):
            raise ValueError(f"audit.factors must lie in ]0, 10], got {list(self.factors)}")
        known = names_of("generators.attacks")
        if not self.attacks or set(self.attacks) - set(known):
            raise ValueError(f"audit.attacks must name some of {', '.join(known)}, got {list(self.attacks)}")

    def radius(self, norm: str, epsilon: float, shape: Sequence[int]) -> float:
        """The radius in a norm; `epsilon` is the evaluation's L-inf one, `shape` an image's."""
        linf = self.linf or epsilon
        return linf if norm == "linf" else self.l2 or float(f"{FULL_OF * sqrt(prod(shape)) * linf:.2g}")

    def radii(self, radius: float) -> list[float]:
        """Where attacks of fixed radius are tried, the radius itself among them, rising."""
        return sorted({radius, *(round(factor * radius, 6) for factor in self.factors)})
