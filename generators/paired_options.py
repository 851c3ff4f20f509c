"""What configures GANs of several modalities, and synchronised augmentation; without torch."""

from dataclasses import dataclass
from typing import Literal, get_args

Columns = Literal["space", "time"]
"""Of images: where things are, or when they happen."""


@dataclass(frozen=True)
class PairGanOptions:
    """How a GAN of several modalities is built and trained."""

    steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 2e-3
    """Falls linearly to a tenth."""
    penalty: float = 1.0
    """Weight of R1 and of R2 (gamma)."""
    averaging: float = 0.995
    """Decay of the averaged generator weights."""
    mismatched: float = 1.0
    """Weight, in the discriminator's loss, of real events whose parts are of different classes; 0 for none."""
    spread: float = 0.2
    """Weight, in the generator's loss, of how far distances within a class fall short of those of real events."""
    blur: float = 0.0
    """Standard deviation of noise on the condition."""
    shift: int = 1
    """Pixels by which the images that the discriminator sees are moved at most; their contrast changes, too."""
    delay: int = 1
    """Frames by which the features that it sees are moved at most."""
    latent: int = 64
    """Z."""
    features: int = 8
    """Channels of the generator's last layer; its trunk is eight times as wide."""
    discriminator_features: int = 256
    """Width of the discriminator."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "latent", "features", "discriminator_features"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"gan.{name} must be >= 1, got {getattr(self, name)}")
        for name in ("mismatched", "spread", "blur", "shift", "delay"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"gan.{name} must be >= 0 and finite, got {getattr(self, name)}")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"gan.averaging must lie in [0, 1), got {self.averaging}")
        for name in ("learning_rate", "penalty"):
            if not getattr(self, name) > 0:
                raise ValueError(f"gan.{name} must be > 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class SyncOptions:
    """How far one draw moves an event in all its modalities."""

    time: float = 0.1
    """Share of the duration by which it happens earlier or later at most; images take part where `columns` are time."""
    flip: float = 0.0
    """Chance that left and right change places, of images and of stereo sound; only where no class depends on it."""
    gain: float = 0.25
    """How much brighter and louder at most, as a share; and as much darker and quieter."""
    columns: Columns = "space"
    """What the columns of images are."""

    def __post_init__(self) -> None:
        for name in ("time", "flip"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"sync.{name} must lie in [0, 1], got {getattr(self, name)}")
        if not 0 <= self.gain < float("inf"):
            raise ValueError(f"sync.gain must be >= 0 and finite, got {self.gain}")
        if self.columns not in get_args(Columns):
            raise ValueError(f"sync.columns must be space or time, got {self.columns}")
        if self.flip and self.columns == "time":
            raise ValueError(
                f"sync.flip turns images left to right, which in columns of time is backwards: {self.flip}"
            )
