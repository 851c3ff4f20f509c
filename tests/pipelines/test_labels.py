"""The checks of the default recipe against planted wrong labels, on samples that nothing was tuned on.

Networks are trained for a third of the usual steps, so the bounds are wide; bench/labels.py has the figures.
"""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from generators.checks import hear
from generators.checks.agreement import agreement
from generators.gan import begin, networks_of
from generators.networks import GanShape
from generators.search import pick_parents, pick_strangers
from pipelines.recipes import DEFAULT
from pipelines.training import planted, work
from pipelines.training.drafting import chosen_of
from pipelines.training.fitting.options import FitOptions
from pipelines.training.models import checkpoints
from pipelines.training.participants import samples, witnesses_of
from pipelines.training.places import GENERATOR

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

GAN = GanShape(channels=1, height=8, width=8, classes=10, latent=4, features=4, discriminator_features=8)
RECIPE = replace(
    DEFAULT,
    training=FitOptions(steps=300),
    judges=replace(DEFAULT.judges, fit=replace(DEFAULT.judges.fit, features=16, steps=250)),
    checks={"margin_band": 1.0, "agreement": "auto"},
    shards=replace(DEFAULT.shards, label_error=0.02),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    """A model and judges; the GAN is not trained, as neither check asks it."""
    folder = tmp_path_factory.mktemp("run")
    work.read_source(RECIPE, folder)
    work.fit_model(RECIPE, folder)
    for fold in range(RECIPE.judges.folds):
        work.fit_one_judge(RECIPE, folder, fold)
    checkpoints.save(folder / GENERATOR, networks_of(begin(GAN, RECIPE.generator, seed=0)), vars(GAN))
    return folder


@pytest.fixture(scope="module")
def threshold(run) -> float:
    return chosen_of(planted.choose_thresholds(RECIPE, run))["agreement"]


@pytest.fixture(scope="module")
def near(run) -> planted.Trial:
    """Planted on test samples, within the band."""
    trial = planted.planted(RECIPE, run, "test")
    return trial.rows(trial.candidates.margins.abs() <= 1)


def test_wrong_labels_at_the_boundary_are_caught_and_most_right_ones_kept(near, threshold):
    accepted = agreement(near.candidates, near.evidence, threshold).accepted

    assert (~accepted[~near.right]).float().mean() > 0.88
    assert accepted[near.right].float().mean() > 0.4


def test_any_other_label_is_caught_at_next_to_no_price(near):
    right = near.rows(near.right)
    y = right.candidates.batch.labels
    other = (y + torch.randint(1, 10, y.shape, generator=torch.Generator().manual_seed(0))) % 10
    wrong = replace(right.candidates, batch=replace(right.candidates.batch, labels=other))

    kept, slipped = (agreement(made, right.evidence, 0.1).accepted for made in (right.candidates, wrong))

    assert (~slipped).float().mean() > 0.93
    assert kept.float().mean() > 0.7


def test_samples_that_have_become_another_class_are_caught(run, threshold):
    test, rng = samples(run, "test", RECIPE.source), torch.Generator().manual_seed(0)
    y = torch.arange(400) % 10
    rows, others = pick_parents(test, y, rng), pick_strangers(test, y, rng)
    share = 0.7 + 0.25 * torch.rand(400, 1, 1, 1, generator=rng)
    images = torch.lerp(test.inputs["image"][rows], test.inputs["image"][others], share)
    batch = replace(test.rows(rows), inputs={"image": images})

    heard = hear(witnesses_of(run, RECIPE.source, RECIPE.judges.folds), batch)
    own = heard.consensus.gather(1, y[:, None])[:, 0]

    assert ((heard.consensus.argmax(1) != y) | (own < threshold)).float().mean() > 0.95
