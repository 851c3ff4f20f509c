"""The small residual classifier that is hardened, and the judges."""

from dataclasses import asdict, dataclass
from pathlib import Path

import torch.nn.functional as F
from torch import Tensor, nn

from data.errors import Damaged
from generators.networks import Residual
from pipelines.training.models import checkpoints


@dataclass(frozen=True)
class ClassifierShape:
    """Inputs (channels, height, width) -> logits (classes). Height and width are even."""

    channels: int
    height: int
    width: int
    classes: int
    features: int = 16


class Classifier(nn.Module):
    """Images, float (N, C, H, W) in [0, 1] -> logits, float (N, K)."""

    def __init__(self, shape: ClassifierShape) -> None:
        super().__init__()
        self.shape = shape
        wide, cells = 2 * shape.features, (shape.height // 2) * (shape.width // 2)
        self.stem = nn.Conv2d(shape.channels, shape.features, 3, padding=1)
        self.fine = Residual(shape.features)
        self.down = nn.Conv2d(shape.features, wide, 3, stride=2, padding=1)
        self.coarse = Residual(wide)
        self.hidden = nn.Linear(wide * cells, 64)
        self.head = nn.Linear(64, shape.classes)

    def forward(self, x: Tensor) -> Tensor:
        """Float (N, C, H, W) in [0, 1] -> float (N, K)."""
        fine = self.fine(self.stem(x * 2 - 1))
        coarse = self.coarse(self.down(F.relu(fine)))
        logits: Tensor = self.head(F.relu(self.hidden(F.relu(coarse).flatten(1))))
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
    except (TypeError, RuntimeError) as error:
        raise Damaged(f"{path} holds no classifier of this version ({error}): delete it and run again") from error
    return model.eval().requires_grad_(False)
