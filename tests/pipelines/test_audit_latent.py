"""Latent search of an audit, with a generator that was never trained."""

from dataclasses import asdict, dataclass

import numpy as np
import pytest
import torch

from data.errors import WrongUse
from data.intake import take_in
from data.records import Batch
from data.sources import Found, Source, SourceOptions
from generators import gan
from generators.networks import GanShape
from generators.options import GanOptions, SearchOptions
from pipelines.training.audit.attacking import Task
from pipelines.training.audit.latent import read_drawn, search_latents
from pipelines.training.audit.options import AuditOptions
from pipelines.training.models import checkpoints
from pipelines.training.places import SOURCE


def halves(x):
    """Class 0 where the left half is brighter than the right one, else 1."""
    gap = 40 * (x[..., :2].mean((1, 2, 3)) - x[..., 2:].mean((1, 2, 3)))
    return torch.stack([gap, -gap], 1)


@dataclass(frozen=True)
class Planted(Task):
    """A task whose model is `halves`."""

    def scene(self):
        return halves, Batch((), {"image": torch.zeros(0, 1, 4, 4)}, torch.zeros(0, dtype=torch.int64))


def samples_in(run, classes=("left", "right"), side=4) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, side, side, 1), dtype=np.uint8)
    found = [Found(str(n), image, n % len(classes), "train") for n, image in enumerate(images)]
    take_in(Source(classes, iter(found)), SourceOptions(), run / SOURCE)


@pytest.fixture
def task(tmp_path) -> Planted:
    samples_in(tmp_path)
    return Planted(tmp_path, SourceOptions(labelled=0), AuditOptions(candidates=40), seed=0)


@pytest.fixture
def generator(tmp_path):
    """The file of an untrained generator of two classes of 4x4 images."""
    shape = GanShape(1, 4, 4, 2, latent=8, features=8, discriminator_features=8)
    path = tmp_path / "other" / "generator.safetensors"
    path.parent.mkdir()
    checkpoints.save(path, gan.networks_of(gan.begin(shape, GanOptions(), 0)), asdict(shape))
    return path


def test_a_search_says_how_many_came_near_the_boundary_and_on_how_many_the_model_errs(task, generator):
    facts = search_latents(task, generator, SearchOptions(band=0.5), "latent.npz")

    drawn = read_drawn(task.run / "latent.npz")
    assert len(facts["labels"]) == len(facts["near"]) == len(facts["errs"]) == 40
    assert facts["band"] == 0.5
    assert sum(facts["near"]) > 20
    assert (drawn.says != drawn.labels).all()
    assert (halves(torch.tensor(drawn.after)).argmax(1).numpy() == drawn.says).all()


def test_the_same_seed_finds_the_same(task, generator):
    one = search_latents(task, generator, SearchOptions(), "one.npz")
    two = search_latents(task, generator, SearchOptions(), "two.npz")

    assert one == two
    assert (task.run / "one.npz").read_bytes() == (task.run / "two.npz").read_bytes()


def test_a_generator_of_other_images_is_refused(tmp_path, generator):
    samples_in(tmp_path / "large", side=6)
    task = Planted(tmp_path / "large", SourceOptions(labelled=0), AuditOptions(), seed=0)

    with pytest.raises(WrongUse, match="draws 1 x 4 x 4 of 2 classes, the samples are 1 x 6 x 6 of 2"):
        search_latents(task, generator, SearchOptions(), "latent.npz")


def test_a_generator_of_other_classes_is_refused(task, generator):
    samples_in(generator.parent, classes=("cat", "dog"))

    with pytest.raises(WrongUse, match=r"draws classes \['cat', 'dog'\], the samples are \['left', 'right'\]"):
        search_latents(task, generator, SearchOptions(), "latent.npz")
