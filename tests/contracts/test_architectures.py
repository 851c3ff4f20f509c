"""Every file of pipelines/training/models/architectures makes a classifier that trains, attacks and travels alike."""

import pytest
import torch

from data.plugins import plugin_names
from generators.attacks.fgsm import fgsm
from generators.margins import margins_of
from generators.options import Ball
from pipelines.training.models import architectures, checkpoints
from pipelines.training.models.classifier import Classifier, ClassifierShape, load_classifier, save_classifier

every = pytest.mark.parametrize("name", plugin_names(architectures))


def classifier(name, channels=3, height=6, width=8):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return Classifier(ClassifierShape(channels, height, width, 5, 4, name)).eval().requires_grad_(False)


@every
def test_it_takes_any_even_size_and_gives_a_logit_a_class(name, rng):
    logits = classifier(name)(torch.rand(7, 3, 6, 8, generator=rng))

    assert logits.shape == (7, 5)
    assert logits.std(0).min() > 0


@every
def test_a_row_of_logits_depends_on_its_own_image_alone(name, rng):
    model, x = classifier(name), torch.rand(4, 3, 6, 8, generator=rng)

    torch.testing.assert_close(model(x)[2:3], model(x[2:3]))


@every
def test_it_has_gradients_to_attack_by(name, rng):
    model, x = classifier(name), torch.rand(20, 3, 6, 8, generator=rng)
    y = model(x).argmax(1)

    x_adv = fgsm(model, x, y, Ball(epsilon=0.5), rng)

    assert (margins_of(model(x_adv), y) < margins_of(model(x), y)).float().mean() > 0.9


@every
def test_it_comes_back_from_disk_as_what_it_is(name, tmp_path, rng):
    model, x = classifier(name), torch.rand(4, 3, 6, 8, generator=rng)

    save_classifier(tmp_path / "judge.safetensors", model)
    loaded = load_classifier(tmp_path / "judge.safetensors")

    assert checkpoints.load(tmp_path / "judge.safetensors")[1]["architecture"] == name
    assert torch.equal(loaded(x), model(x))


def test_no_two_of_them_see_the_same(rng):
    x = torch.rand(4, 3, 6, 8, generator=rng)
    seen = [classifier(name)(x) for name in plugin_names(architectures)]

    assert all(not torch.allclose(one, other) for at, one in enumerate(seen) for other in seen[:at])
