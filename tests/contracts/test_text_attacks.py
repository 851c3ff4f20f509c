"""Every attack on texts keeps to its ball and its rules, and finds the edit that a linear model says is best."""

from functools import partial

import pytest
import torch

import generators.text_attacks
from data.modalities import modality
from data.modalities.text import strings
from data.plugins import plugin, plugin_names
from data.records import Batch
from data.words import Words
from generators.along import along, attack_along
from generators.crossmodal import attack_one
from generators.options import Ball
from generators.spelling import padded
from generators.text_attacks import Rules

NAMES = plugin_names(generators.text_attacks)
GUIDED = ("letters", "synonyms")
LENGTH = 40
SYNONYMS = {"film": ("movie", "picture"), "good": ("fine", "decent"), "bad": ("poor",), "story": ("tale",)}
KNOWN = "a the film movie picture good fine decent was bad poor story tale goad"
WORDS = Words(frozenset(KNOWN.split()), SYNONYMS, SYNONYMS)
TEXTS = ["a good film", "The GOOD story was bad", "Good film, good story", "me", "größe @film #story"]
every_attack = pytest.mark.parametrize("name", NAMES)


def texts(*given: str) -> torch.Tensor:
    return padded([text.encode() for text in given], LENGTH)


def linear(weights: torch.Tensor, bias: float = 0.0):
    """Class 1 where the bytes' weights, float (256,) or (L, 256), sum up to more than `-bias`."""

    def model(x):
        x = x if x.is_floating_point() else torch.nn.functional.one_hot(x.long(), 256).float()
        side = (x * weights).flatten(1).sum(1) + bias
        return torch.stack([-side, side], 1)

    return model


def random_model(seed: int = 0):
    return linear(torch.randn(LENGTH, 256, generator=torch.Generator().manual_seed(seed)))


def attacked(name, model, x, y, epsilon=2, seed=0, steps=8, checked=True):
    attack, rng = plugin(generators.text_attacks, name), torch.Generator().manual_seed(seed)
    return attack(model, x, y, Ball(epsilon, steps=steps), rng, rules=Rules(WORDS, checked))


@every_attack
@pytest.mark.parametrize("checked", [True, False])
@pytest.mark.parametrize("epsilon", [0, 1, 3])
def test_no_text_is_further_away_than_the_ball_allows_and_all_stay_utf8(name, epsilon, checked):
    x, model = texts(*TEXTS), random_model()

    found = attacked(name, model, x, model(x).argmax(1), epsilon, checked=checked)

    if name.endswith("letters"):
        assert (modality("text").moved(found, x, None) <= epsilon).all()
    for new, old in zip(strings(found), TEXTS, strict=True):
        if name.endswith("synonyms"):
            pairs = list(zip(new.split(), old.split(), strict=True))
            assert sum(one != other for one, other in pairs) <= epsilon
            assert all(
                one == other or one.lower().strip(",") in SYNONYMS[other.lower().strip(",")] for one, other in pairs
            )
    assert torch.equal(found[3:], x[3:]) or not checked


@every_attack
def test_a_row_that_is_wrong_already_is_left_as_it_is_by_what_asks_the_model(name):
    x, model = texts(*TEXTS), random_model()

    found = attacked(name, model, x, 1 - model(x).argmax(1))

    assert torch.equal(found, x) == (name in GUIDED)


@every_attack
def test_the_same_seed_gives_the_same_bytes(name):
    x, model = texts(*TEXTS), random_model()

    one, two, other = (attacked(name, model, x, model(x).argmax(1), seed=seed) for seed in (0, 0, 5))

    assert torch.equal(one, two)
    assert torch.equal(one, other) == (name in GUIDED)


@every_attack
def test_texts_of_another_kind_are_refused(name):
    if name not in GUIDED:
        pytest.skip("it asks no model")
    with pytest.raises(ValueError, match=r"texts are uint8 \(N, L\), got torch.float32"):
        attacked(name, random_model(), texts("a").float(), torch.tensor([0]))


@pytest.mark.parametrize(
    ("usual", "gain", "best"),
    [
        (0.0, {"o": -1.0, "z": 5.0}, {"a gzod film", "a gozd film"}),  # to exchange an o for a z gains 6
        (-1.0, {"o": -9.0}, {"a god film"}),  # to leave it out gains 9, to exchange it 8
        (
            3.0,
            {"z": 5.0},
            {"a gzood film", "a gozod film", "a goozd film", "a good fzilm", "a good fizlm", "a good filzm"},
        ),
    ],
)
def test_it_makes_the_edit_that_a_linear_model_says_is_best(usual, gain, best):
    weights = torch.zeros(256)
    weights[97:123] = usual
    for letter, by in gain.items():
        weights[ord(letter)] = by

    found = attacked("letters", linear(weights, -100.0), texts("a good film"), torch.tensor([0]), 1, steps=40)

    assert strings(found)[0] in best


def test_a_letter_may_not_make_a_word_of_the_dictionary():
    weights = torch.zeros(LENGTH, 256)
    weights[1:3, ord("a")], weights[:, ord("o")] = torch.tensor([4.0, 5.0]), -0.5
    x, y, model = texts("good"), torch.tensor([0]), linear(weights, -100.0)

    free, kept = (strings(attacked("letters", model, x, y, 1, checked=checked))[0] for checked in (False, True))

    assert free == "goad"
    assert kept == "goaod"  # goad is a word; to put an a in there gains 5, to exchange one 5.5 or else 4.5


def test_with_the_rules_one_letter_inside_a_word_changes_in_a_quarter_of_the_words_at_most():
    text, weights = "good good good good good good good go", torch.zeros(256)
    weights[ord("z")] = 1.0

    (found,) = strings(attacked("letters", linear(weights, -100.0), texts(text), torch.tensor([0]), 5))

    changed = [(new, old) for new, old in zip(found.split(), text.split(), strict=True) if new != old]
    assert len(changed) == 2
    assert all(new[0] == "g" and new[-1] == "d" and new.count("z") == 1 for new, _ in changed)


def test_the_best_synonym_in_its_own_case_is_found():
    weights = torch.zeros(256)
    weights[ord("D")] = 3.0

    found = attacked("synonyms", linear(weights, -100.0), texts("Good film"), torch.tensor([0]), 1)

    assert strings(found) == ["Decent film"]


def test_it_goes_on_to_the_boundary_and_no_further():
    weights = torch.zeros(256)
    weights[ord("z")] = 1.0
    x, y = texts("good film good film good film good film good"[:LENGTH]), torch.tensor([0])

    found = attacked("letters", linear(weights, -1.5), x, y, 9, checked=False)

    assert modality("text").moved(found, x, None).tolist() == [2.0]
    assert linear(weights, -1.5)(found).argmax(1).tolist() == [1]


def test_a_wider_beam_is_never_worse_where_the_first_edit_misleads():
    x, model = texts(*TEXTS[:3]), random_model(3)
    y = model(x).argmax(1)

    def margins(restarts):
        attack = plugin(generators.text_attacks, "letters")
        found = attack(
            model, x, y, Ball(2, steps=12, restarts=restarts), torch.Generator(), rules=Rules(WORDS, checked=False)
        )
        logits = model(found)
        return logits.gather(1, y[:, None])[:, 0] - logits.gather(1, 1 - y[:, None])[:, 0]

    assert (margins(6) <= margins(1) + 1e-5).all()


def test_the_text_of_an_event_is_attacked_by_its_own_companion_and_that_stays_bit_by_bit():
    weights, pictures = torch.zeros(256), torch.tensor([0.9, 0.1]).view(2, 1, 1, 1)
    weights[ord("z")] = 1.0
    inputs = {"image": pictures, "text": texts("good film", "good film")}

    def fused(x):  # a dark picture's text needs one z to be of class 1, a bright one's never gets there
        side = linear(weights)(x["text"])[:, 1] - 0.5 - 100 * (x["image"].flatten(1)[:, 0] > 0.5)
        return torch.stack([-side, side], 1)

    real, attack = (
        Batch(("a", "b"), inputs, torch.tensor([0, 0])),
        partial(plugin(generators.text_attacks, "letters"), rules=Rules(WORDS)),
    )
    way = along(fused, inputs, "text")
    made = attack_one(way, real, attack, Ball(1, steps=4), torch.Generator())

    assert fused(made.batch.inputs).argmax(1).tolist() == [0, 1]
    assert made.batch.inputs["image"] is pictures
    assert made.search == "adversarial_text"
    assert (
        made.margins.tolist()
        == fused(attack_along(attack, way, real.labels, Ball(1, steps=4), torch.Generator()))[:, 0].mul(2).tolist()
    )


def test_what_breaks_a_text_counts_for_more_than_what_comes_nearer_to_the_wanted_class():
    """`z` makes it the third class; `q` makes the wanted one likelier and breaks nothing."""
    weights = torch.zeros(256, 3)
    weights[ord("z")], weights[ord("q")] = torch.tensor([0.0, -9.0, 4.0]), torch.tensor([0.0, 1.0, 0.0])

    def model(x):
        x = x if x.is_floating_point() else torch.nn.functional.one_hot(x.long(), 256).float()
        return (x @ weights).sum(1) + torch.tensor([2.0, 0.0, 0.0])

    rng, wanted = torch.Generator().manual_seed(0), torch.tensor([1])
    attack = plugin(generators.text_attacks, "letters")
    ball = Ball(1, steps=500)
    found = attack(model, texts("a good film"), torch.tensor([0]), ball, rng, wanted, rules=Rules(WORDS))

    assert model(found).argmax(1).tolist() == [2]
