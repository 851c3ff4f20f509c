"""How classifiers are trained, those that are hardened and those that judge; without torch."""

from dataclasses import dataclass, field

from data.plugins import must_be_one_of, names_of
from generators.options import Ball, must_be_a_device
from pipelines.training.models.descriptions import Names


@dataclass(frozen=True)
class WatchOptions:
    """How often a training is looked at, and how hard."""

    every: int = 0
    """Steps between looks, after each of which the best averaged weights are kept; 0 keeps the last ones."""
    attack: str = "pgd"
    """A file of generators/attacks; one that climbs a margin is not flattered by soft labels."""
    steps: int = 10
    """Of the attack."""
    samples: int = 300
    """Validation samples at most."""

    def __post_init__(self) -> None:
        for name, least in (("every", 0), ("steps", 1), ("samples", 1)):
            if not getattr(self, name) >= least:
                raise ValueError(f"watch.{name} must be >= {least}, got {getattr(self, name)}")
        must_be_one_of("generators.attacks", self.attack)

    def due(self, step: int, steps: int) -> bool:
        """Whether to look after `step` of `steps` steps; after the last one always, unless never."""
        return self.every > 0 and (step % self.every == 0 or step == steps)


@dataclass(frozen=True)
class FitOptions:
    """How a classifier is trained: the model to harden, each judge and every arm of the comparison."""

    objective: str = "madry"
    """A file of pipelines/training/fitting/objectives; docs/training.md says which when."""
    attack: str = "pgd"
    """A file of generators/attacks, for the objectives that take any."""
    steps: int = 1000
    batch_size: int = 64
    learning_rate: float = 2e-3
    """Peak of a one-cycle schedule, AdamW."""
    weight_decay: float = 5e-4
    averaging: float = 0.995
    """Decay of the averaged weights, which are the ones kept."""
    features: int = 16
    """Channels of the first layer."""
    synthetic_share: float = 0.7
    """Of each batch, when there are shards to train on; the rest is real."""
    weight: float = 0.0
    """Of the objective's adversarial part: lambda of mixed and mart, beta of trades; 0 for the objective's own."""
    replays: int = 4
    """Steps in a row that `free` spends on one batch."""
    smoothing: float = 0.0
    """Share of each label that is spread over all classes; flatters cross-entropy attacks, see docs/training.md."""
    device: str = "cpu"
    """What torch trains on, as cuda or cuda:1; the classifier comes back on the CPU."""
    devices: int = 1
    """How many of that kind train together, each on its share of a batch; more than one takes hardshard[devices]."""
    ball: Ball = field(default_factory=Ball)
    """The attack inside training; zero steps train plainly."""
    ramp: float = 0.0
    """Share of the steps over which the ball grows from nothing; without it some first weights never start to learn."""
    watch: WatchOptions = field(default_factory=WatchOptions)
    """Keeps the weights of the best step instead of the last."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "features", "replays"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"{name} must be >= 1, got {getattr(self, name)}")
        for name in ("averaging", "synthetic_share", "smoothing", "ramp"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1], got {getattr(self, name)}")
        if not self.learning_rate > 0:
            raise ValueError(f"learning_rate must be > 0, got {self.learning_rate}")
        if not self.weight >= 0:
            raise ValueError(f"weight must be >= 0, got {self.weight}")
        must_be_a_device(self.device)
        if not self.devices >= 1 or self.batch_size % self.devices:
            raise ValueError(f"devices must be >= 1 and divide batch_size {self.batch_size}, got {self.devices}")
        if self.devices > 1 and self.device not in ("cpu", "cuda"):
            raise ValueError(f"devices {self.devices} are all of a kind, cpu or cuda, got device {self.device!r}")
        must_be_one_of("pipelines.training.fitting.objectives", self.objective)
        must_be_one_of("generators.attacks", self.attack)


@dataclass(frozen=True)
class JudgeOptions:
    """How the judges are trained."""

    folds: int = 3
    """Each judge leaves one fold of the training samples out."""
    architectures: Names = ("cnn",)
    """Files of pipelines/training/models/architectures, one a judge in turn; the examiner has the first. On few samples
    the others are less robust, and so the poorer judges: docs/labels.md."""
    calibrate: bool = True
    """Fit a temperature to each on the validation samples; without it take `shards.softness` 1."""
    fit: FitOptions = field(default_factory=lambda: FitOptions(features=32, steps=600, ball=Ball(steps=5)))
    """Robust judges give the better soft labels: docs/results.md; twice the channels keep more of the right ones."""

    def __post_init__(self) -> None:
        if not self.folds >= 2:
            raise ValueError(f"judges.folds must be >= 2, got {self.folds}")
        known = names_of("pipelines.training.models.architectures")
        if not self.architectures or set(self.architectures) - set(known):
            got = list(self.architectures)
            raise ValueError(f"judges.architectures must name some of {', '.join(known)}, got {got}")
        if self.fit.devices != 1:
            raise ValueError(f"judges are trained side by side: judges.fit.devices must be 1, got {self.fit.devices}")
        if self.fit.watch.every:  # the validation samples are the examiner's to learn from and the judges' yardstick
            raise ValueError(f"judges do not stop early: judges.fit.watch.every must be 0, got {self.fit.watch.every}")
