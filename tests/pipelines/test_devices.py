"""Two processes that train one network together: what one makes of the same batches, and the same to the bit again."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from bench.prefect_site import RECIPE
from data.errors import WrongUse
from data.files import sha256_of
from generators import gan
from generators.networks import GanShape
from generators.options import Ball
from pipelines.recipes import DEFAULT
from pipelines.training import work
from pipelines.training.devices import ALONE, Team, on_devices
from pipelines.training.fitting.fit import Beside, fit
from pipelines.training.fitting.options import FitOptions, JudgeOptions
from pipelines.training.fitting.underway import Checkpoint
from pipelines.training.models.classifier import ClassifierShape, load_classifier
from pipelines.training.places import GENERATOR, MODEL
from pipelines.training.processes import in_worker, workers

SHAPE = ClassifierShape(classes=2, channels=1, height=4, width=4)
OPTIONS = FitOptions(steps=230, batch_size=8, features=2, ball=Ball(steps=0), devices=2)


def batch(step: int) -> tuple[Tensor, Tensor]:
    """Dark images and bright ones."""
    rng = torch.Generator().manual_seed(step)
    y = torch.arange(OPTIONS.batch_size) % 2
    x = torch.rand(len(y), 1, 4, 4, generator=rng) / 2 + y[:, None, None, None] / 2
    return x, torch.nn.functional.one_hot(y, 2).float()


Found = tuple[dict[str, list[float]], dict[str, object]]


def trained(team: Team, folder: Path | None = None, fails_at: int = -1) -> Found:
    """Weights and facts of a classifier."""

    def batches(step: int) -> tuple[Tensor, Tensor]:
        if step == fails_at:
            raise OSError("the machine is lost")
        return batch(step)

    checkpoint = Checkpoint(team.own(folder / "state.checkpoint"), {}) if folder else None
    found = fit(batches, SHAPE, OPTIONS, 0, "test", Beside(None, checkpoint, team))
    return {name: value.flatten().tolist() for name, value in found.model.state_dict().items()}, found.facts


@pytest.fixture(scope="module")
def by_two() -> Found:
    return on_devices(2, "cpu", trained)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_make_of_the_same_batches_what_one_makes(by_two):
    weights, facts = trained(ALONE)

    assert by_two[1]["gradients"] == facts["gradients"] == OPTIONS.steps * OPTIONS.batch_size
    for name, values in by_two[0].items():
        assert values == pytest.approx(weights[name], abs=1e-4), name


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_two_processes_that_were_stopped_go_on_to_the_bit(by_two, tmp_path):
    with pytest.raises(Exception, match="the machine is lost"):
        on_devices(2, "cpu", trained, tmp_path, fails_at=220)
    assert {file.name for file in tmp_path.iterdir()} == {"state.checkpoint", "state-1.checkpoint"}

    assert on_devices(2, "cpu", trained, tmp_path) == by_two


def gan_trained(team: Team) -> tuple[float, float]:
    """A figure of the generator's weights here, and its mean over the team."""
    options = replace(DEFAULT.generator, batch_size=8 // team.world, latent=4, features=4, discriminator_features=8)
    training = gan.begin(GanShape(1, 8, 8, classes=2, latent=4, features=4, discriminator_features=8), options, 0)
    training.average = team.average
    team.seed(training.rng, 0)
    x = torch.nn.functional.interpolate(torch.cat([batch(step)[0] for step in range(4)]), size=(8, 8))
    for _ in range(3):
        gan.advance(training, x, torch.arange(len(x)) % 2, options)
    here = sum(value.double().abs().sum().item() for value in gan.networks_of(training).values())
    return here, team.total(here) / team.world


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_gan_that_is_trained_by_two_is_the_same_in_both():
    here, mean = on_devices(2, "cpu", gan_trained)

    assert here == pytest.approx(mean, abs=1e-9)
    assert here != pytest.approx(gan_trained(ALONE)[0], abs=1e-9)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_stage_that_is_done_by_two_leaves_one_network_and_no_state(prepared, tmp_path):
    folder = Path(shutil.copytree(prepared, tmp_path / "run"))
    given = replace(
        RECIPE, training=replace(RECIPE.training, devices=2), generator=replace(RECIPE.generator, devices=2)
    )
    before = {name: sha256_of(folder / name) for name in (MODEL, GENERATOR)}

    with workers(1):
        in_worker(work.fit_model, given, folder)
        in_worker(work.fit_gan, given, folder)

    assert all(sha256_of(folder / name) != digest for name, digest in before.items())
    assert load_classifier(folder / MODEL).shape == load_classifier(prepared / MODEL).shape
    assert not list(folder.rglob("*checkpoint*"))


def test_a_team_of_one_changes_nothing():
    parameter = torch.nn.Parameter(torch.zeros(2))
    parameter.grad, rng = torch.tensor([1.0, 2.0]), torch.Generator().manual_seed(3)

    ALONE.average([parameter])
    ALONE.seed(rng, 5)

    assert parameter.grad.tolist() == [1, 2]
    assert rng.initial_seed() == 3
    assert ALONE.share(torch.arange(3)).tolist() == [0, 1, 2]
    assert ALONE.own(Path("a.checkpoint")) == Path("a.checkpoint")


def test_each_of_a_team_has_its_own_rows_its_own_draws_and_its_own_file():
    team, rng = Team(rank=1, world=2), torch.Generator().manual_seed(5)

    team.seed(rng, 5)

    assert team.share(torch.arange(6)).tolist() == [1, 3, 5]
    assert rng.initial_seed() != 5
    assert team.own(Path("arms/a.checkpoint")) == Path("arms/a-1.checkpoint")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"devices": 3}, "devices must be >= 1 and divide batch_size 64, got 3"),
        ({"devices": 0}, "got 0"),
        ({"devices": 2, "device": "cuda:1"}, "are all of a kind, cpu or cuda, got device 'cuda:1'"),
    ],
)
def test_devices_that_cannot_share_a_batch_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        FitOptions(**change)


def test_who_trains_on_one_device_refuses_several():
    with pytest.raises(ValueError, match=r"judges\.fit\.devices must be 1"):
        JudgeOptions(fit=FitOptions(devices=2))
    with pytest.raises(ValueError, match=r"rounds\.fit\.devices must be 1"):
        replace(DEFAULT.rounds, fit=replace(DEFAULT.rounds.fit, devices=2))
    with pytest.raises(ValueError, match=r"generator\.devices must be >= 1 and divide 64, got 5"):
        replace(DEFAULT.generator, devices=5)


def test_more_devices_than_there_are_and_a_package_that_is_not_there_are_named(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(WrongUse, match="devices 2 were asked for, and there are 1 of kind cuda"):
        on_devices(2, "cuda", trained)

    monkeypatch.setitem(__import__("sys").modules, "lightning_fabric", None)
    with pytest.raises(WrongUse, match=r"more than one device needs hardshard\[devices\]"):
        on_devices(2, "cpu", trained)
