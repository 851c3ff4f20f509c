"""What an audit's figures come to, on figures whose conclusion is plain."""

from dataclasses import replace

import pytest

from generators.masking import Masking
from generators.symptoms import MaskingCheck
from pipelines.recipes import overridden, preset
from pipelines.training.audit.advice import advice_on
from pipelines.training.audit.commands import commands_of
from pipelines.training.audit.conclusions import Evidence, headline_of, level_of, sentence_of
from pipelines.training.audit.figures import ClassFigures, Corruption, Curve, LatentFigures, NormFigures, Share

NAMES = ("cat", "dog", "eel", "fox")


def share(percent: float, of: int = 400, width: float = 4.0) -> Share:
    return Share(round(of * percent / 100), of, percent, percent - width / 2, percent + width / 2)


def norm(robust: float, classes: dict[str, float], clean: float = 96.0) -> NormFigures:
    """Falls off evenly from clean accuracy at 0 to `robust` at 0.1, and on to half of that at 0.2."""
    return NormFigures(
        norm="linf",
        epsilon=0.1,
        robust=share(robust),
        median=0.15,
        worst=Curve("worst", [0, 0.02, 0.1, 0.2], [clean, 0.8 * clean + 0.2 * robust, robust, robust / 2]),
        curves=[],
        attacks=[],
        classes=[ClassFigures(name, share(clean), share(at), 0.1, "dog") for name, at in classes.items()],
        confusion=[[9, 1, 0, 0], [0, 9, 0, 1], [0, 0, 9, 1], [1, 0, 0, 9]],
    )


def evidence(robust: float, weakest: float | None = None, **changes) -> Evidence:
    at = dict.fromkeys(NAMES, robust) | ({} if weakest is None else {"eel": weakest})
    found = Evidence(
        class_names=NAMES,
        clean=share(96.0),
        norms=[norm(robust, at)],
        corruptions=[],
        trust=Masking("trusted", ()),
        latent=None,
        brought=True,
        trained_at=0.0,
        unused=0,
        commands={verb: f"hardshard {verb} own --model.path m.pt2" for verb in ("run", "build", "audit")},
    )
    return replace(found, **changes)


def masked() -> Masking:
    check = MaskingCheck("gradient is there", False, {}, "No gradient reaches 40 samples.", "Attack without gradients.")
    return Masking("suspicious", (check,))


@pytest.mark.parametrize(
    ("given", "level", "headline"),
    [
        (evidence(90.0), "holds", "Holds at L∞ 0.1"),
        (evidence(60.0), "weak", "Holds in part at L∞ 0.1"),
        (evidence(90.0, weakest=70.0), "weak", "Weak spot: class eel breaks first"),
        (evidence(20.0), "breaks", "In trouble: L∞ 0.1 breaks it"),
        (evidence(90.0, trust=masked()), "untrusted", "Do not trust these figures"),
        (evidence(5.0, clean=share(27.0)), "untrusted", "It hardly knows these samples"),
    ],
)
def test_the_headline_says_how_bad_it_is(given, level, headline):
    assert (level_of(given), headline_of(given)) == (level, headline)


def test_the_sentence_has_accuracy_radius_and_the_class_that_breaks_first():
    said = sentence_of(evidence(60.0, weakest=35.0))

    assert "96.0 % of samples as they are, and on 60.0 % [58.0, 62.0]" in said
    assert "0.1, 26 of 255 levels" in said
    assert "Class eel breaks first: 35 %, most often taken for dog" in said
    assert "0.15 fools it on half" in said


def test_a_class_is_named_only_where_its_interval_lies_below_the_whole():
    vague = ClassFigures("eel", share(96), share(58.0, of=10, width=40), 0.1, "dog")
    given = evidence(60.0)

    given = replace(given, norms=[replace(given.norms[0], classes=[vague, *given.norms[0].classes])])

    assert "breaks first" not in sentence_of(given)


def test_a_suspicious_model_is_first_of_all_not_to_be_quoted():
    first = advice_on(evidence(90.0, trust=masked()))[0]

    assert first.title == "Quote no robust accuracy of this model"
    assert "Attack without gradients." in first.why


@pytest.mark.parametrize("trust", [Masking("trusted", ()), masked()])
def test_nothing_is_told_about_masking_of_a_model_at_chance(trust):
    given = evidence(5.0, clean=share(27.0), trust=trust)

    assert given.masking == replace(trust, verdict="unknown")
    assert not given.suspicious
    assert sentence_of(given) == (
        "It is right on 27.0 % of samples as they are, hardly more than chance: no figure here tells what it "
        "withstands, or whether it hides errors."
    )


def test_what_the_masking_checks_say_of_any_other_model_stays():
    assert evidence(90.0, trust=masked()).masking == masked()
    assert evidence(5.0, clean=share(27.0), trust=None).masking is None


def test_a_model_at_chance_is_told_to_look_at_its_inputs_and_nothing_else():
    (only,) = advice_on(evidence(5.0, clean=share(27.0)))

    assert "input range" in only.why


def test_a_weak_class_and_an_early_fall_come_with_commands_to_type():
    fix, train, *_ = advice_on(evidence(60.0, weakest=35.0))

    assert "class eel" in fix.title
    assert fix.command == "hardshard build own --model.path m.pt2"
    assert train.title == "Train adversarially at L∞ 0.1"
    assert "in your own trainer" in train.why
    assert train.command == ""  # the same as above it
    assert "up to 0.02" in train.why


def test_a_model_that_we_trained_at_a_smaller_radius_is_trained_at_this_one():
    train = advice_on(evidence(60.0, brought=False, trained_at=0.05))[0]

    assert train.title == "Train adversarially at L∞ 0.1"
    assert train.command.endswith("--training.ball.epsilon 0.1")


def test_a_model_that_we_trained_at_that_radius_is_offered_hard_samples_instead():
    train = advice_on(evidence(60.0, brought=False, trained_at=0.12))[0]

    assert train.title == "Train on hard samples as well"
    assert "--training.ball" not in train.command


def test_two_classes_that_become_each_other_are_to_be_looked_at():
    given = evidence(90.0)
    mixed = replace(given.norms[0], confusion=[[5, 5, 0, 0], *given.norms[0].confusion[1:]])

    titles = [advice.title for advice in advice_on(replace(given, norms=[mixed]))]

    assert "Look at samples of cat beside samples of dog" in titles


def test_corruptions_that_cost_much_at_severity_3_are_named():
    blur, dark = Corruption("motion_blur", [90, 80, 50, 40, 30]), Corruption("brightness", [95, 95, 94, 93, 92])

    titles = [advice.title for advice in advice_on(evidence(90.0, corruptions=[blur, dark]))]

    assert "Add motion blur to the training augmentation" in titles


def test_a_generator_whose_samples_the_model_errs_on_leads_to_the_judges():
    latent = LatentFigures("runs/x", 500, share(80), 1.0, share(45), share(5), {})

    titles = [advice.title for advice in advice_on(evidence(90.0, latent=latent))]

    assert "Let judges look at the generator's hard samples" in titles


def test_few_samples_and_a_near_horizon_are_said():
    given = evidence(90.0, unused=600)
    wide = replace(given.norms[0], robust=share(90.0, width=10.0), worst=Curve("worst", [0, 0.2], [96, 90]))

    told = {advice.title: advice.command for advice in advice_on(replace(given, norms=[wide]))}

    assert told["Attack more samples before you compare models"].endswith("--audit.samples 1000")
    assert told["Look further out"].endswith("--audit.linf 0.2")


def test_a_model_without_a_fault_is_told_so():
    (only,) = advice_on(evidence(95.0))

    assert only.title == "Nothing urgent"


def test_commands_repeat_the_users_own_options(workplace):
    recipe = overridden(preset("own"), {"source.path": "my photos", "source.size": "32", "audit.samples": "7"})

    commands = commands_of(recipe, workplace / "runs/own")

    assert commands["build"] == "hardshard build own --run runs/own --source.path 'my photos' --source.size 32"
