"""Small worlds whose answers are known on paper, and a run's folder with untrained networks in it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from data.records import Batch, Candidates
from generators.search import Scene

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)


@pytest.fixture
def rng() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture
def half_plane() -> Callable[[Tensor], Tensor]:
    """Class 0 where the first pixel is below 0.5; the margin is 2 * slope * |first pixel - 0.5|."""

    def model(x: Tensor) -> Tensor:
        side = 10 * (x.flatten(1)[:, 0] - 0.5)
        return torch.stack([-side, side], 1)

    return model


@pytest.fixture
def real() -> Batch:
    """Eight images, 1x2x2: class 0 has a dark first pixel, class 1 a bright one."""
    rng = torch.Generator().manual_seed(1)
    images = torch.rand(8, 1, 2, 2, generator=rng)
    labels = torch.tensor([0, 1] * 4)
    images[:, 0, 0, 0] = torch.where(labels == 0, 0.2, 0.8)
    return Batch(tuple(f"real-{i}" for i in range(8)), {"image": images}, labels)


@pytest.fixture
def scene(half_plane: Callable[[Tensor], Tensor], real: Batch) -> Scene:
    """A generator whose first pixel is a function of the first latent, its label adding or taking away a little."""

    def generator(z: Tensor, y: Tensor) -> Tensor:
        first = torch.sigmoid(z[:, :1] + (2 * y[:, None] - 1))
        return torch.cat([first, torch.sigmoid(z[:, 1:4])], 1).view(-1, 1, 2, 2)

    return Scene(half_plane, generator, 4, real)


@pytest.fixture
def candidates(real: Batch) -> Candidates:
    """The real samples as candidates, margins 0, 1, 2 ... 7."""
    margins = torch.arange(8).float()
    return Candidates(real, "planted", ((),) * 8, real.inputs, margins + 5, margins)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
