"""What configures attacks, searches, GANs and distortion; no torch, for which no plan or wrong option should wait."""

import re
from dataclasses import dataclass, field
from typing import Literal, get_args

DEVICE = re.compile(r"(cpu|cuda|hip|hpu|maia|meta|mps|mtia|vulkan|xla|xpu|privateuseone)(:\d+)?")
"""What torch 2.13 takes for a device on which networks can be trained, or looked at."""
Norm = Literal["linf", "l2"]

Hardness = Literal["margin", "entropy", "disagreement", "any"]
"""What makes a real sample hard, see generators/hardness.py."""
Sides = Literal["both", "right", "wrong"]
"""Of the decision boundary: where the model is right (margins above 0), where it errs, or both."""
Way = Literal["classes", "latent", "within"]
"""Where `interpolate` goes to."""
Parents = Literal["real", "generated", "both", "translated"]
"""What `perturb` starts from."""


@dataclass(frozen=True)
class Ball:
    """Where an attack may go, and how long it may look."""

    epsilon: float = 0.12
    """Radius in input units; an attack that looks for the nearest error takes `inf` for no limit."""
    norm: Norm = "linf"
    steps: int = 7
    """Iterations of one start; of `square`, queries."""
    step_size: float = 0.03
    """In input units; of `pgd` alone, the others find their own."""
    restarts: int = 1
    """Starts, the first as the attack's paper has it, the others at random."""
    random_start: bool = True
    """Of `pgd`: begin at a random point of the ball instead of at x."""
    stop_early: bool = False
    """A row leaves as soon as the model errs on it: right for evaluation, too soon for training."""

    def __post_init__(self) -> None:
        if not self.epsilon >= 0:
            raise ValueError(f"epsilon must be >= 0, got {self.epsilon}")
        if self.norm not in ("linf", "l2"):
            raise ValueError(f"norm must be linf or l2, got {self.norm}")
        if not self.steps >= 0:
            raise ValueError(f"steps must be >= 0, got {self.steps}")
        if not self.step_size >= 0:
            raise ValueError(f"step_size must be >= 0, got {self.step_size}")
        if not self.restarts >= 1:
            raise ValueError(f"restarts must be >= 1, got {self.restarts}")


@dataclass(frozen=True)
class GanOptions:
    """How the GAN is built and trained."""

    steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 1e-3
    """Falls linearly to a tenth."""
    penalty: float = 3.0
    """Weight of R1 and of R2 (gamma)."""
    averaging: float = 0.995
    """Decay of the averaged generator weights."""
    latent: int = 64
    """Z."""
    features: int = 32
    """Channels of the generator."""
    discriminator_features: int = 256
    """Width of the discriminator."""
    devices: int = 1
    """Processes that train it together, each on its share of a batch; more than one takes hardshard[devices]."""

    def __post_init__(self) -> None:
        if not self.devices >= 1 or self.batch_size % self.devices:
            raise ValueError(f"generator.devices must be >= 1 and divide {self.batch_size}, got {self.devices}")
        for name in ("steps", "batch_size", "latent", "features", "discriminator_features"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"generator.{name} must be >= 1, got {getattr(self, name)}")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"generator.averaging must lie in [0, 1), got {self.averaging}")
        for name in ("learning_rate", "penalty"):
            if not getattr(self, name) > 0:
                raise ValueError(f"generator.{name} must be > 0, got {getattr(self, name)}")


@dataclass(frozen=True)
class SearchOptions:
    """How candidates are proposed; every search takes these and uses those that concern it."""

    mix: dict[str, float] = field(
        default_factory=lambda: {"random_latent": 0.25, "warps": 0.25, "mixup": 0.25, "shift": 0.25}
    )
    """Search -> its share of the candidates; the shares sum to 1."""
    steps: int = 40
    """Gradient steps at most."""
    queries: int = 300
    """Questions that `latent_square` asks the model at most, before it closes in."""
    step_size: float = 0.2
    """The longest step in latent space, as a share of the latent's own length."""
    restarts: int = 3
    """Latents that a latent search tries for a candidate before it gives up."""
    band: float = 1.0
    """Margins looked for: from -band to band, in logits."""
    sides: Sides = "both"
    """Which half of the band is aimed at: both, right (the model still gives the label), wrong (it errs)."""
    realism: float = 0.0
    """Floor of `latent_walk`: as realistic as this share of training samples, to the discriminator; 0 for none."""
    way: Way = "classes"
    """Of `interpolate`: to a sample of another `classes`, label and all; to its `latent` alone, at the own label; or
    `within` the class, from another sample to the parent and past it."""
    beyond: float = 1.0
    """How far `interpolate` goes past the end of its way, as a share of it."""
    inversion: int = 50
    """Gradient steps from the encoder's latent to a real sample's."""
    hardness: Hardness = "margin"
    """What `mine` ranks by: margin, entropy, disagreement, or any of the three."""
    mined: float = 0.1
    """Share of a class's samples after which the chance that `mine` draws one has fallen to 1 / e."""
    ensemble: str = ""
    """Models to attack together with the run's own, separated by commas: files in the run's folder or paths, each a
    classifier of ours, .safetensors, or a .pt2. The margin is that of their mean probabilities."""
    attack: str = "pgd"
    """What `perturb` attacks with: a file of generators/attacks."""
    parents: Parents = "real"
    """What it attacks: real samples, generated ones, either at random, or real ones translated to another domain."""
    norm: Norm = "linf"
    """Of that attack."""
    epsilon: float = 0.18
    """Radius that it may use, in input units."""

    def __post_init__(self) -> None:
        if not self.mix or min(self.mix.values()) < 0 or not abs(sum(self.mix.values()) - 1) < 1e-6:
            raise ValueError(f"search.mix must be shares >= 0 that sum to 1, got {dict(self.mix)}")
        for name, least in {"steps": 1, "restarts": 1, "queries": 1, "beyond": 0, "inversion": 0}.items():
            if not getattr(self, name) >= least:
                raise ValueError(f"search.{name} must be >= {least}, got {getattr(self, name)}")
        for name in ("step_size", "band", "epsilon", "mined"):
            if not getattr(self, name) > 0:
                raise ValueError(f"search.{name} must be > 0, got {getattr(self, name)}")
        for name, known in {"sides": Sides, "way": Way, "parents": Parents, "hardness": Hardness}.items():
            if getattr(self, name) not in get_args(known):
                raise ValueError(
                    f"search.{name} must be one of {', '.join(get_args(known))}, got {getattr(self, name)}"
                )
        if not 0 <= self.realism < 1:
            raise ValueError(f"search.realism must lie in [0, 1), got {self.realism}")

    @property
    def takes_unlabelled(self) -> bool:
        """Whether it draws on samples that nobody labelled."""
        return self.mix.get("unlabelled", 0) > 0


@dataclass(frozen=True)
class CycleOptions:
    """How both directions of a translation are trained."""

    steps: int = 2000
    batch_size: int = 64
    learning_rate: float = 1e-3
    """Falls linearly to a tenth."""
    penalty: float = 1.0
    """Weight of R1 and of R2 (gamma)."""
    cycle: float = 1.0
    """Weight of the mean absolute difference between an image and its translation back. A strong one forbids changes of
    shape: docs/adapt.md."""
    identity: float = 0.5
    """Weight of that between an image of a domain and its translation into that same domain."""
    semantic: float = 1.0
    """Weight of semantic consistency; 0 asks no classifier."""
    conditional: bool = True
    """Tell the discriminators what images show: labels of domain a, opinions about domain b."""
    pool: int = 128
    """Earlier images that a discriminator may be shown instead of new ones; 0 for none."""
    shift: int = 1
    """Pixels by which the discriminators' images are moved at most; their contrast changes, too. -1 shows them as they
    are."""
    averaging: float = 0.995
    """Decay of the averaged weights of the generators."""
    latent: int = 8
    """Of the noise; 0 makes one image of each."""
    features: int = 32
    """Channels of a generator's first layer."""
    blocks: int = 4
    """Residual blocks of a generator."""
    discriminator_features: int = 32
    """Channels of a discriminator's first layer."""
    device: str = "cpu"
    """What torch trains on, as cuda or cuda:1; what is trained comes back to main memory."""
    bf16: bool = False
    """Compute in bfloat16; docs/adapt.md says where it pays."""

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "features", "blocks", "discriminator_features"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"cycle.{name} must be >= 1, got {getattr(self, name)}")
        for name, least in {"pool": 0, "latent": 0, "shift": -1, "cycle": 0, "identity": 0, "semantic": 0}.items():
            if not least <= getattr(self, name) < float("inf"):
                raise ValueError(f"cycle.{name} must be >= {least} and finite, got {getattr(self, name)}")
        if not 0 <= self.averaging < 1:
            raise ValueError(f"cycle.averaging must lie in [0, 1), got {self.averaging}")
        for name in ("learning_rate", "penalty"):
            if not getattr(self, name) > 0:
                raise ValueError(f"cycle.{name} must be > 0, got {getattr(self, name)}")
        must_be_a_device(self.device)


@dataclass(frozen=True)
class DistortionOptions:
    """How far a sample is distorted; each is drawn evenly up to these, but for the bend."""

    turn: float = 0.35
    """Radians."""
    slant: float = 0.3
    """Columns a row."""
    growth: float = 0.2
    """Logarithm of the scale, of width and height apart."""
    move: float = 0.06
    """Shares of the side."""
    bend: float = 0.04
    """Standard deviation of a smooth displacement, in shares of the side. Simard et al. 2003, ICDAR."""

    def __post_init__(self) -> None:
        for name in ("turn", "slant", "growth", "move", "bend"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"distortion.{name} must be >= 0 and finite, got {getattr(self, name)}")


def must_be_a_device(name: str) -> None:
    """Check that torch knows a device of that name; whether there is one shows when it is used.

    Raises:
        ValueError: it does not.
    """
    if not DEVICE.fullmatch(name):
        raise ValueError(f"device must be what torch calls one, got {name!r}")
