"""How events of several modalities are hardened; without torch."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class EventOptions:
    """The classifier of events, what it has to withstand, and what its trainer adds to the plain loss."""

    epsilon: dict[str, float] = field(default_factory=dict)
    """Modality -> the L-inf radius to withstand, in its own units, of text edits of one character; nothing in a recipe
    of images alone."""
    reach: dict[str, float] = field(default_factory=dict)
    """Modality -> how far the rounds' attacks go, as a multiple of that radius; 1.5 unless it is named."""
    features: int = 16
    """Channels of each encoder's first layer."""
    hidden: int = 64
    """Length of the vector that each encoder ends in."""
    quiet: float = 1e-3
    """Power of a window of 256 samples of sound below which all is silence to the classifier: the more, the less an
    attack can do where nobody speaks."""
    gate: bool = False
    """Odd-one-out fusion; it has to be attacked adaptively, which the evaluation does."""
    dropout: float = 0.25
    """Share of events in which one modality is hidden from the joint head, each as often as any other."""
    heads: float = 0.5
    """Weight of the modalities' own heads' mean cross-entropy, times their number; without it they learn nothing."""
    consistency: float = 0.5
    """Weight of the symmetric Kullback-Leibler divergence between the modalities' own heads."""
    shift: dict[str, int] = field(default_factory=dict)
    """Modality -> how far each event is moved at random, before it is attacked or trained on: pixels each way, or
    frames or samples later."""
    judged: float = 0.5
    """What the judges of the untouched modalities must give a sample's label, for it to be kept; 0 keeps all."""
    seen: float = 0.0
    """What the judges of the modality that was moved must give it; they are trained plainly, and may be fooled too."""
    warm: int = 300
    """Steps of the plain training before the first round, and of each judge's."""
    samples: int = 1000
    """Events that are measured, at most; of the part that `evaluation.part` names."""
    steps: int = 40
    """Of each attack of the evaluation."""
    restarts: int = 2
    """Of those that climb a margin; of texts the width of the beam."""
    wordnet: str = ""
    """Folder of WordNet's files, whose words no attack on a text may make of another, as little as those that its
    training texts use three times; nothing for these alone."""

    def __post_init__(self) -> None:
        self._check_modalities()
        for name in ("features", "hidden", "warm", "samples", "steps", "restarts"):
            if not getattr(self, name) >= 1:
                raise ValueError(f"events.{name} must be >= 1, got {getattr(self, name)}")
        for name in ("dropout", "judged", "seen"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"events.{name} must lie in [0, 1], got {getattr(self, name)}")
        if not 0 < self.quiet < float("inf"):
            raise ValueError(f"events.quiet must be > 0 and finite, got {self.quiet}")
        for name in ("heads", "consistency"):
            if not getattr(self, name) >= 0:
                raise ValueError(f"events.{name} must be >= 0, got {getattr(self, name)}")

    def _check_modalities(self) -> None:
        for name, radius in self.epsilon.items():
            if not 0 < radius < float("inf"):
                raise ValueError(f"events.epsilon.{name} must be > 0 and finite, got {radius}")
        if "text" in self.epsilon and not self.epsilon["text"] >= 1:
            raise ValueError(f"events.epsilon.text counts edits and must be >= 1, got {self.epsilon['text']}")
        for name, times in self.reach.items():
            if not 0 < times < float("inf"):
                raise ValueError(f"events.reach.{name} must be > 0 and finite, got {times}")
        for name, most in self.shift.items():
            if name not in ("image", "features", "audio") or not most >= 0:
                raise ValueError(f"events.shift takes image, features or audio and a number >= 0, got {name} {most}")

    @property
    def modalities(self) -> tuple[str, ...]:
        """Those that are attacked, in the order of their names."""
        return tuple(sorted(self.epsilon))
