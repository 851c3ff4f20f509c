"""Two sets as anybody might get them, and other people's readers, each in an environment of its own."""

import hashlib
import io
import json
import os
import subprocess
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
import torch
from PIL import Image

from data.drafts import Judged, write_draft
from data.forms import Form
from data.packing import About, finish, pack_shard, plan
from data.records import Batch, Candidates, Verdict
from data.store import Store

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENTS = ROOT / ".venv-consumers"
STUB = Path(__file__).parent / "stub"
NEED_TORCHVISION = ("read_with_timm.py", "train_with_timm.py", "train_with_open_clip.py")
COLOURS = ["red", "green", "blue", "yellow", "cyan", "magenta", "white", "grey", "brown", "orange"]
"""Class names of the pairs, and what their pictures show a square of."""
FORMS = {
    "audio": Form((1, 1600), 16000),
    "features": Form((4, 3), unit=(1.0, 2.0, 0.5)),
    "image": Form((3, 32, 32)),
    "text": Form((32,)),
}


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 grey pictures in 4 shards, written by all of hardshard's own steps, with 20 refused ones in the manifests."""
    folder, drafts = tmp_path_factory.mktemp("images"), tmp_path_factory.mktemp("drafts")
    rng = torch.Generator().manual_seed(0)
    patterns, store = torch.rand(10, 1, 28, 28, generator=rng), Store(str(folder))
    records = [write_draft(drafts, "train", n, [judged(patterns, rng)], rng) for n in range(2)]
    dealt = plan(drafts, records, "train", 4, seed=0)
    shards = [pack_shard(dealt, n, store) for n in range(4)]
    finish(dealt, shards, store, About("planted", [f"digit {k}" for k in range(10)], {"image": [1, 28, 28]}), {})
    return folder


def judged(patterns: torch.Tensor, rng: torch.Generator) -> Judged:
    """110 candidates, each its class's pattern and noise, the first ten refused; margins 0, 1/4, 1/2 ..."""
    labels = torch.arange(110) % 10
    pictures = {"image": 0.7 * patterns[labels] + 0.3 * torch.rand(110, 1, 28, 28, generator=rng)}
    batch = Batch(tuple(f"real-{i}" for i in range(110)), pictures, labels)
    margins = torch.arange(110) / 4
    verdict = Verdict.of("realism", torch.arange(110) >= 10, margins)
    soft = torch.nn.functional.one_hot(labels, 10) * 0.8 + 0.02
    return Judged(Candidates(batch, "walk", ((),) * 110, pictures, margins + 3, margins), verdict, soft)


@pytest.fixture(scope="session")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """1,000 RGB pictures in 4 shards, each with a caption, a tenth of a second of sound and features; all of
    hardshard's own steps wrote them, after a search that moved every fourth picture alone."""
    folder, drafts = tmp_path_factory.mktemp("pairs"), tmp_path_factory.mktemp("drafts")
    rng, store = torch.Generator().manual_seed(0), Store(str(folder))
    records = [write_draft(drafts, "train", n, [event_candidates(n, rng)], rng, FORMS) for n in range(2)]
    dealt = plan(drafts, records, "train", 4, seed=0)
    shards = [pack_shard(dealt, n, store) for n in range(4)]
    finish(dealt, shards, store, About.of_forms("pairs", COLOURS, FORMS), {"seed": 0})
    return folder


def event_candidates(number: int, rng: torch.Generator) -> Judged:
    """500 events; margins 0, 1/4, 1/2 ..."""
    labels, draw = torch.arange(500) % 10, np.random.default_rng(number)
    times = torch.arange(1600) / 20
    pictures = torch.stack([square(draw, COLOURS[label]) for label in labels.tolist()])
    captions = [f"a {COLOURS[label]} square".encode().ljust(32, b"\0") for label in labels.tolist()]
    starts = {
        "audio": torch.stack([torch.sin(times * (label + 1)) / 2 for label in labels.tolist()])[:, None],
        "features": torch.randn(500, 4, 3, generator=rng),
        "image": pictures,
        "text": torch.tensor([list(caption) for caption in captions], dtype=torch.uint8),
    }
    moved = (torch.arange(500) % 4 == 0).float()[:, None, None, None] * 16 / 255
    batch = Batch(tuple(f"real-{n}" for n in range(500)), {**starts, "image": (pictures + moved).clamp(0, 1)}, labels)
    soft = torch.nn.functional.one_hot(labels, 10) * 0.8 + 0.02
    margins = torch.arange(500) / 4
    made = Candidates(batch, "walk", ((),) * 500, starts, margins + 3, margins)
    return Judged(made, Verdict(("",) * 500, {}), soft)


def square(draw: np.random.Generator, colour: str) -> torch.Tensor:
    """A square of a colour somewhere in the dark, float (3, 32, 32) in [0, 1]."""
    picture = draw.integers(0, 60, (32, 32, 3), dtype=np.uint8)
    top, left = draw.integers(0, 16, 2)
    picture[top : top + 16, left : left + 16] = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    return torch.from_numpy(picture).permute(2, 0, 1) / 255


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 real pictures a class of the pairs, a folder a class."""
    folder, draw = tmp_path_factory.mktemp("photos"), np.random.default_rng(7)
    for colour in COLOURS:
        (folder / colour).mkdir()
        for number in range(20):
            pixels = (square(draw, colour).permute(1, 2, 0) * 255).byte().numpy()
            Image.fromarray(pixels).save(folder / colour / f"{number}.png")
    return folder


@pytest.fixture(params=["images", "pairs"])
def folder(request: pytest.FixtureRequest) -> Path:
    """Either set."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def environment() -> Callable[[str], Path]:
    """The Python of an environment that .ci/consumers makes."""

    def found(name: str) -> Path:
        python = ENVIRONMENTS / name / "bin" / "python"
        assert python.exists(), f"{python} is missing: run .ci/consumers first"
        return python

    return found


@pytest.fixture
def run(environment: Callable[[str], Path], tmp_path: Path) -> Callable[..., dict[str, object]]:
    """Runs an example over a set in an environment and gives what it reported; the set must stay as it is."""

    def example_report(example: str, folder: Path, name: str = "current", *more: str) -> dict[str, object]:
        before, stub = digests(folder), str(STUB) if example in NEED_TORCHVISION else ""
        command = ["bash"] if example.endswith(".sh") else [str(environment(name))]
        done = subprocess.run(
            [*command, ROOT / "examples" / example, folder, *more],
            cwd=tmp_path,
            env={
                **os.environ,
                "HF_HOME": str(tmp_path),
                "HF_HUB_OFFLINE": "1",
                "OMP_NUM_THREADS": "1",
                "PYTHONPATH": stub,
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert digests(folder) == before, "the reader changed the set"
        print(done.stdout.splitlines()[-1])  # for `pytest -s`
        report: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
        return report

    return example_report


def digests(folder: Path) -> dict[str, str]:
    """Every file of a set and the SHA-256 of its bytes."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def members_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Name and content of each member of each tar, found by the offsets that webshart's sidecar gives."""
    for tar in sorted(folder.glob("*.tar")):
        content = tar.read_bytes()
        index: Mapping[str, Mapping[str, int]] = json.loads(tar.with_suffix(".json").read_bytes())["files"]
        for name, place in index.items():
            yield name, content[place["offset"] :][: place["length"]]


@pytest.fixture
def expected() -> Callable[..., int]:
    """The checksum over keys, labels and pixels that a reader should come to."""

    def checksum(folder: Path, mode: str = "", *, keyed: bool = True) -> int:
        found, total = dict(members_of(folder)), 0
        for key in {name.partition(".")[0] for name in found}:
            picture = Image.open(io.BytesIO(found[f"{key}.png"]))
            pixels = np.array(picture.convert(mode or picture.mode))
            label = found[f"{key}.cls"].decode()
            total += crc32(pixels.tobytes(), crc32(f"{key if keyed else ''} {label}".encode()))
        return total

    return checksum


@pytest.fixture
def contents() -> Callable[[Path, str], list[bytes]]:
    """What the members of a set hold whose names end so, in their order."""
    return lambda folder, end: [content for name, content in members_of(folder) if name.endswith(end)]
