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
from data.files import canonical_json
from data.packing import About, finish, pack_shard, plan
from data.records import Batch, Candidates, Verdict
from data.shards import commit, shard_name, write_shard
from data.sidecars import SetFacts
from data.store import Store
from data.tars import pack

ROOT = Path(__file__).parent.parent.parent
ENVIRONMENTS = ROOT / ".venv-consumers"
STUB = Path(__file__).parent / "stub"
NEED_TORCHVISION = ("read_with_timm.py", "train_with_open_clip.py")
KINDS = {
    "cls": "label",
    "flac": "audio",
    "json": "facts",
    "png": "image",
    "probs.npy": "soft_label",
    "txt": "text",
}
COLOURS = ["red", "green", "blue", "yellow", "cyan", "magenta", "white", "grey", "brown", "orange"]
"""Class names of the pairs, and what their pictures show a square of."""
SOUNDS = """
import sys, numpy, soundfile
for number in range(int(sys.argv[2])):
    tone = numpy.sin(numpy.arange(1600) * (number % 10 + 1) / 20) / 2
    soundfile.write(f"{sys.argv[1]}/{number}.flac", tone, 16000)
"""


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
def pairs(tmp_path_factory: pytest.TempPathFactory, environment: Callable[[str], Path]) -> Path:
    """1,000 RGB pictures in 4 shards, each with a caption and a tenth of a second of sound as well."""
    folder, sounds = tmp_path_factory.mktemp("pairs"), tmp_path_factory.mktemp("sounds")
    subprocess.run([environment("current"), "-c", SOUNDS, sounds, "1000"], check=True)
    draw, samples = np.random.default_rng(0), []
    for number in range(1000):
        colour = COLOURS[number % 10]
        key, members = sample(number, square(draw, colour))
        sound = (sounds / f"{number}.flac").read_bytes()
        samples.append((key, {**members, "txt": f"a {colour} square".encode(), "flac": sound}))
    write_pairs(folder, samples)
    return folder


def square(draw: np.random.Generator, colour: str) -> np.ndarray:
    """A square of a colour somewhere in the dark, uint8 (32, 32, 3)."""
    picture = draw.integers(0, 60, (32, 32, 3), dtype=np.uint8)
    top, left = draw.integers(0, 16, 2)
    picture[top : top + 16, left : left + 16] = Image.new("RGB", (1, 1), colour).getpixel((0, 0))
    return picture


def sample(number: int, picture: np.ndarray) -> tuple[str, dict[str, bytes]]:
    png, npy, label = io.BytesIO(), io.BytesIO(), number % 10
    Image.fromarray(picture).save(png, "png")
    soft = np.full(10, 0.02, np.float32)
    soft[label] = 0.82
    np.save(npy, soft)
    facts = {"label": label, "margin": number / 4, "margin_before": 3.0, "parents": "", "search": "walk"}
    members = {"cls": str(label).encode(), "json": canonical_json(facts)}
    return f"train-000000-{number:06d}", {**members, "png": png.getvalue(), "probs.npy": npy.getvalue()}


def write_pairs(folder: Path, samples: list[tuple[str, dict[str, bytes]]]) -> None:
    store = Store(str(folder))
    shards = [write_shard(store, shard_name("train", n), pack(samples[n * 250 :][:250])) for n in range(4)]
    facts = SetFacts(
        name="pairs",
        split="train",
        class_names=COLOURS,
        members=KINDS,
        shapes={"image": [3, 32, 32]},
        shards=shards,
        refused={},
        by_class=dict.fromkeys(COLOURS, 100),
        by_search={"walk": 1000},
    )
    commit(store, facts, {"seed": 0}, [])


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

    def example_report(example: str, folder: Path, name: str = "current") -> dict[str, object]:
        before, stub = digests(folder), str(STUB) if example in NEED_TORCHVISION else ""
        command = ["bash"] if example.endswith(".sh") else [str(environment(name))]
        done = subprocess.run(
            [*command, ROOT / "examples" / example, folder],
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
