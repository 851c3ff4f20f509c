"""The small classifiers: the one that is hardened, the judges and the examiner."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from torch import Tensor, nn

from data.errors import Damaged, WrongUse
from data.plugins import plugin
from pipelines.training.models import architectures, checkpoints
from pipelines.training.models.architectures import HIDDEN, Trunk


@dataclass(frozen=True)
class ClassifierShape:
    """Inputs (channels, height, width) -> logits (classes). Height and width are even."""

    channels: int
    height: int
    width: int
    classes: int
    features: int = 16
    architecture: str = "cnn"
    """A file of pipelines/training/models/architectures."""


class Classifier(nn.Module):
    """Images, float (N, C, H, W) in [0, 1] -> logits, float (N, K)."""

    def __init__(self, shape: ClassifierShape) -> None:
        super().__init__()
        self.shape = shape
        self.trunk = cast(Trunk, plugin(architectures, shape.architecture))(shape)
        self.head = nn.Linear(HIDDEN, shape.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] -> float (N, K)."""
        logits: Tensor = self.head(self.trunk(x))
        return logits


def save_classifier(path: Path, model: Classifier) -> str:
    """Write a classifier and its shape; returns the file's SHA-256, the model's digest."""
    return checkpoints.save(path, model.state_dict(), asdict(model.shape))


def load_classifier(path: Path) -> Classifier:
    """A classifier from disk, in eval mode, its parameters frozen.

    Raises:
        Damaged: the file does not hold one.
    """
    tensors, facts = checkpoints.load(path)
    try:
        model = Classifier(ClassifierShape(**facts))  # type: ignore[arg-type]
        model.load_state_dict(tensors)
    except (TypeError, RuntimeError, WrongUse) as error:
        raise Damaged(f"{path} holds no classifier of this version ({error}): delete it and run again") from error
    return model.eval().requires_grad_(False)
