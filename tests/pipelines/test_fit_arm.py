"""Training within a run's folder, on the bundled digits."""

from dataclasses import replace

import pytest

from data.loader import MixedBatches
from generators.options import Ball
from pipelines.recipes import DEFAULT, Recipe
from pipelines.training.fitting.fit import fit
from pipelines.training.fitting.guard import NOTE
from pipelines.training.fitting.options import FitOptions
from pipelines.training.fitting.watch import WatchOptions
from pipelines.training.participants import real_pool
from pipelines.training.work import fit_arm, read_source


@pytest.fixture
def recipe(tmp_path) -> Recipe:
    """The digits, taken into the folder; a training of four steps."""
    brief = FitOptions(steps=4, features=2, ball=Ball(steps=1))
    made = replace(DEFAULT, training=brief)
    read_source(made, tmp_path)
    return made


def test_a_watched_arm_says_at_which_step_its_weights_were_best(recipe, tmp_path):
    watch = WatchOptions(every=2, steps=1, samples=20)
    watched = replace(recipe, training=replace(recipe.training, watch=watch))

    facts = fit_arm(watched, tmp_path, "", 0, "arms/real-0.safetensors")

    assert [step for step, _ in facts["looks"]] == [2, 4]
    assert facts["kept_step"] in (2, 4)


def test_an_arm_leaves_its_classifier_and_no_checkpoint(recipe, tmp_path):
    long = replace(recipe, training=replace(recipe.training, steps=201, batch_size=2))

    facts = fit_arm(long, tmp_path, "", 0, "arms/real-0.safetensors")

    assert facts == {"synthetic": 0, "kept_step": 201, "gradients": 201 * 2 * 2}  # one step of attack, one of training
    assert [file.name for file in (tmp_path / "arms").iterdir()] == ["real-0.safetensors"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "epsilon", "noted"), [("fgsm_rs", 0.36, {NOTE: 200}), ("fgsm_rs", 0.12, {}), ("n_fgsm", 0.12, {})]
)
def test_a_single_step_that_no_longer_says_what_pgd_would_is_noted(objective, epsilon, noted, recipe, tmp_path):
    real, shape = real_pool(tmp_path, "train", recipe.source)
    options = FitOptions(objective=objective, ball=Ball(epsilon=epsilon), steps=600)

    facts = fit(MixedBatches(real, real, 0.0, 64, 1).batch, shape, options, 1, "test").facts

    assert facts.keys() - {"gradients"} == {"kept_step", *noted}
    assert {name: facts[name] for name in ("kept_step", *noted)} == {"kept_step": 600, **noted}
