"""Small worlds whose answers are known on paper, and a run's folder with untrained networks in it."""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from data.draft_files import DraftRecord
from data.drafts import Judged, write_draft
from data.packing import About, finish, pack_shard, plan
from data.records import Batch, Candidates, Unlabelled, Verdict
from data.shards import ShardSet
from data.store import Store
from generators.search import Scene
from generators.translation import Translation

torch.set_num_threads(1)
torch.use_deterministic_algorithms(True)
os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start: two tests at once have a core each


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """Let what draws without an rng draw alike, whichever tests came before it in this process."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """The command hears signals for as long as its process lives; what comes after it in this one should not."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, heard in before.items():
        signal.signal(number, heard)


@pytest.fixture(scope="session", autouse=True)
def prefect_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Prefect of its own for each process of tests, so that no two write to one database."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        yield


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
def scene(
    half_plane: Callable[[Tensor], Tensor], real: Batch, translation: Translation, unlabelled: Unlabelled
) -> Scene:
    """A generator whose first pixel is a function of the first latent, its label adding or taking away a little."""

    def generator(z: Tensor, y: Tensor) -> Tensor:
        label = y[:, 1] if y.is_floating_point() else y
        first = torch.sigmoid(z[:, :1] + (2 * label[:, None] - 1))
        return torch.cat([first, torch.sigmoid(z[:, 1:4])], 1).view(-1, 1, 2, 2)

    scene = Scene(half_plane, generator, 4, real, judges=[half_plane, half_plane], translation=translation)
    return replace(scene, unlabelled=unlabelled)


@pytest.fixture
def unlabelled() -> Unlabelled:
    """120 images, 1x2x2, every other of which has a bright first pixel."""
    images = torch.rand(120, 1, 2, 2, generator=torch.Generator().manual_seed(2))
    images[:, 0, 0, 0] = 0.2 + 0.6 * (torch.arange(120) % 2)
    return Unlabelled(tuple(f"unlabelled-{i}" for i in range(120)), lambda rows: images[rows])


@pytest.fixture
def translation() -> Translation:
    """To domain b the last pixel is inverted, and the noise, one number, added to the third; back, likewise."""

    def turned(x: Tensor, z: Tensor) -> Tensor:
        first, second, third, last = x.flatten(1).unbind(1)
        return torch.stack([first, second, (third + 0.1 * z[:, 0]).clamp(0, 1), 1 - last], 1).view_as(x)

    return Translation(turned, turned, lambda x, _: x.flatten(1)[:, 3], lambda x, _: -x.flatten(1)[:, 3], latent=1)


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


@pytest.fixture
def draft(candidates: Candidates, tmp_path: Path) -> Callable[[int, Sequence[bool]], DraftRecord]:
    """Writes the eight planted candidates as draft `number`, those accepted where `kept` says so."""

    def write(number: int, kept: Sequence[bool]) -> DraftRecord:
        verdict = Verdict.of("planted", torch.tensor(kept), torch.zeros(len(kept)))
        soft = torch.nn.functional.one_hot(candidates.batch.labels, 2).float() * 0.8 + 0.1
        judged = [Judged(candidates, verdict, soft)]
        return write_draft(tmp_path / "drafts", "train", number, judged, torch.Generator().manual_seed(number))

    return write


@pytest.fixture
def build(draft: Callable[[int, Sequence[bool]], DraftRecord], tmp_path: Path) -> Callable[[Store], ShardSet]:
    """Builds a set from two drafts, six and eight of whose eight candidates are kept, in three shards."""

    def build_at(store: Store, count: int = 3) -> ShardSet:
        records = [draft(0, [True] * 6 + [False] * 2), draft(1, [True] * 8)]
        dealt = plan(tmp_path / "drafts", records, "train", count, seed=0)
        shards = [pack_shard(dealt, number, store) for number in range(count)]
        about = About("planted", ["dark", "bright"], {"image": [1, 2, 2]})
        return finish(dealt, shards, store, about, {"seed": 0})

    return build_at


@pytest.fixture
def shard_set(build: Callable[[Store], ShardSet], tmp_path: Path) -> Path:
    """The folder of the set that `build` makes."""
    build(Store(str(tmp_path / "set")))
    return tmp_path / "set"
