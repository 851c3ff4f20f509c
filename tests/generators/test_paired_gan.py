"""A GAN of pictures and features: one latent makes both, and what is asked of pairs is asked of tiny ones."""

import pytest
import torch

from data.errors import WrongUse
from data.forms import Form
from generators.paired_gan import Events, advance, begin, networks_of, restore, shortfall, state_of
from generators.paired_gan import _mismatched as mismatched
from generators.paired_gan import _seen as seen
from generators.paired_networks import Frames, PairGenerator, PairShape
from generators.paired_options import PairGanOptions
from pipelines.training.synthesis.stages import MADE_OF

FORMS = {"image": Form((3, 6, 10)), "features": Form((5, 4))}
OPTIONS = PairGanOptions(steps=6, batch_size=8, latent=3, features=2, discriminator_features=8)
SHAPE = PairShape(FORMS, condition=2, latent=3, features=2, discriminator_features=8)


def events(count: int = 20) -> Events:
    rng = torch.Generator().manual_seed(0)
    x = {"image": torch.rand(count, 3, 6, 10, generator=rng), "features": torch.randn(count, 5, 4, generator=rng)}
    x["features"][:, 3:] = 0  # padding
    labels = torch.arange(count) % 2
    return Events(x, torch.nn.functional.one_hot(labels, 2).float(), labels)


def trained(steps: int):
    training = begin(SHAPE, events(), OPTIONS, seed=1)
    for _ in range(steps):
        advance(training, events(), OPTIONS)
    return training


def test_one_latent_makes_every_modality_in_its_form_and_the_same_one_the_same_pair():
    generator = begin(SHAPE, events(), OPTIONS, seed=1).averaged
    z, condition = torch.randn(7, 3), torch.eye(2)[torch.arange(7) % 2]

    made, again, other = generator(z, condition), generator(z, condition), generator(z + 1, condition)

    assert {name: x.shape[1:] for name, x in made.items()} == {name: form.shape for name, form in FORMS.items()}
    assert 0 <= made["image"].min() <= made["image"].max() <= 1
    for name, x in made.items():
        assert x.equal(again[name])
        assert (x != other[name]).flatten(1).any(1).all()  # both hang on the same latent


def test_a_training_taken_up_again_is_to_the_bit_the_one_that_was_never_broken_off():
    whole, first = trained(6), trained(3)
    second = begin(SHAPE, events(), OPTIONS, seed=1)

    restore(second, {name: value.clone() for name, value in state_of(first).items()})
    for _ in range(3):
        advance(second, events(), OPTIONS)

    assert second.step == 6
    assert all(value.equal(networks_of(second)[name]) for name, value in networks_of(whole).items())


def test_the_state_of_another_training_is_refused():
    other = begin(PairShape(FORMS, 2, 4, 2, 8), events(), OPTIONS, seed=1)

    with pytest.raises(RuntimeError, match="size mismatch"):
        restore(trained(0), state_of(other))


def test_features_come_back_from_their_code_and_padding_stays_padding():
    x = events().x["features"]
    frames = Frames(FORMS["features"])
    frames.fit(x)

    code = frames.inward(x)

    assert code.shape == (20, 5, 5)
    assert torch.allclose(code[:, :4, :3].mean((0, 2)), torch.zeros(4), atol=1e-5)
    assert (code[:, :, 3:] == 0).all()
    assert (code[:, 4, :3] == 1).all()
    assert torch.allclose(frames.outward(code), x, atol=1e-5)
    assert (frames.outward(code)[:, 3:] == 0).all()


def test_made_features_end_once_and_have_one_frame_at_least():
    made = trained(2).averaged(torch.randn(50, 3) * 5, torch.eye(2)[torch.arange(50) % 2])["features"]

    there = (made != 0).any(2)

    assert there[:, 0].all()
    assert (there[:, 1:] <= there[:, :-1]).all()


def test_strangers_are_of_another_class_in_one_modality_at_a_time():
    known, training = events(), begin(SHAPE, events(), OPTIONS, seed=1)
    rows = torch.arange(8)
    real = {name: code[rows] for name, code in training.codes.items()}
    parted = []

    for training.step in (0, 1):
        strangers, condition = mismatched(training, rows, real, known.conditions[rows], known)
        parted.append([name for name in real if not strangers[name].equal(real[name])])
        (name,) = parted[-1]
        places = (training.codes[name][:, None] == strangers[name]).flatten(2).all(2).float().argmax(0)
        assert (known.labels[places] != known.labels[rows]).all()
        assert condition.equal(known.conditions[rows])

    assert parted == [["features"], ["image"]]


def test_a_single_modality_is_a_stranger_to_the_condition_of_another_class():
    whole = events()
    known = Events({"image": whole.x["image"]}, whole.conditions, whole.labels)
    training = begin(PairShape({"image": FORMS["image"]}, 2, 3, 2, 8), known, OPTIONS, seed=1)
    rows = torch.arange(8)
    real = {"image": training.codes["image"][rows]}

    strangers, condition = mismatched(training, rows, real, known.conditions[rows], known)

    assert strangers["image"].equal(real["image"])
    assert (condition.argmax(1) != known.labels[rows]).all()


def test_the_shortfall_is_the_share_of_the_real_distance_that_is_missing_within_classes():
    real = {"image": torch.tensor([[0.0], [4.0], [100.0]])}
    half, wide = {"image": torch.tensor([[0.0], [2.0], [0.0]])}, {"image": torch.tensor([[0.0], [9.0], [0.0]])}
    labels = torch.tensor([0, 0, 1])

    assert shortfall(half, real, labels).item() == pytest.approx(0.5)
    assert shortfall(wide, real, labels).item() == 0
    assert shortfall(half, real, torch.tensor([0, 1, 2])).item() == 0  # no two of a class


def test_a_modality_without_a_generator_is_named():
    assert MADE_OF == ("image", "features")  # what a recipe is checked against beforehand
    with pytest.raises(WrongUse, match="no generator of audio: there is one of image, features"):
        PairGenerator(PairShape({"audio": Form((1, 64), 8000)}, 2, 3, 2, 8))


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"blur": -1}, {"averaging": 1}, {"penalty": 0}, {"spread": float("nan")}]
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=r"gan\."):
        PairGanOptions(**options)


def test_a_single_row_of_features_is_not_moved_away_from_the_discriminator():
    rows = Events({"features": torch.randn(20, 3)}, torch.eye(2).repeat(10, 1), torch.arange(20) % 2)
    training = begin(PairShape({"features": Form((3,))}, 2, 4, 2, 8), rows, PairGanOptions(delay=1), 0)

    shown = seen(training, training.codes, PairGanOptions(delay=1))

    assert shown["features"].equal(training.codes["features"])
