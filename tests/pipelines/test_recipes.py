from dataclasses import replace

import pytest
from pydantic import TypeAdapter, ValidationError

from data.errors import WrongUse
from data.plugins import plugin_names
from pipelines import recipes
from pipelines.recipes import DEFAULT, FromPreset, overridden, preset


@pytest.mark.parametrize("name", plugin_names(recipes))
def test_a_preset_bears_the_name_of_its_file(name):
    assert preset(name).name == name


def test_fields_are_replaced_by_dotted_name():
    changed = overridden(DEFAULT, {"search.steps": "41", "training.ball.epsilon": "0.2", "source.name": "digits"})

    assert changed.search.steps == 41
    assert changed.training.ball.epsilon == 0.2
    assert changed.generator == DEFAULT.generator


def test_a_mix_and_the_checks_may_gain_entries():
    none = {f"search.mix.{name}": "0" for name in DEFAULT.search.mix}

    changed = overridden(DEFAULT, {**none, "search.mix.latent_walk": "1", "checks.realism": "0.2"})

    assert changed.search.mix["latent_walk"] == 1
    assert changed.checks["realism"] == 0.2


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("search.step", "1", "no option --search.step: did you mean --search.steps"),
        ("colour", "red", "no option --colour"),
        ("search", "1", "no option --search:"),
        ("search.steps.deep", "1", "no option --search.steps.deep"),
        ("search.steps", "many", "--search.steps: .* got 'many'"),
        ("search.steps", "0", "search.steps must be >= 1, got 0"),
        ("search.band", "nan", "search.band must be > 0, got nan"),
        ("search.mix.perturb", "3", "search.mix must be shares"),
        ("search.mix.magic", "0", "no 'magic' in generators/search: there are .*latent_walk"),
        ("checks.magic", "0", "no 'magic' in generators/checks: there are agreement"),
        ("training.ball.epsilon", "-1", "^training.ball.epsilon must be >= 0, got -1"),
        ("training.averaging", "2", r"^training.averaging must lie in \[0, 1\], got 2"),
        ("judges.fit.watch.every", "-1", "^judges.fit.watch.every must be >= 0, got -1"),
        ("synthesis.gan.averaging", "1", r"^synthesis.gan.averaging must lie in \[0, 1\), got 1"),
        ("rounds.search.steps", "0", "^rounds.search.steps must be >= 1, got 0"),
        ("adapt.target.labelled", "-1", "^adapt.target.labelled must be >= 0, got -1"),
        ("steps", "3", "no option --steps: did you mean --"),
        ("averaging", "1", "no option --averaging: did you mean --.*--generator.averaging"),
        ("search.mix.pertub", "0", r"no 'pertub' in generators/search: did you mean perturb\? There are adversarial,"),
        ("training.synthetic_share", "2", r"synthetic_share must lie in \[0, 1\], got 2"),
        ("evaluation.attacks", "none", "--evaluation.attacks"),
        ("judges.folds", "1", "judges.folds must be >= 2, got 1"),
        ("judges.architectures", "cnn,oak", "judges.architectures must name some of cnn, .*, got .'cnn', 'oak'."),
        ("checks.agreement", "guess", "--checks.agreement.*got 'guess'"),
        ("judges.calibrate", "false", "where judges.calibrate is false it must be 1, got 2.4"),
        ("shards.softness", "0", "shards.softness must be > 0 and finite, got 0"),
        ("shards.label_error", "1", "shards.label_error must lie in .0, 1., got 1"),
        ("shards.count", "0", "shards.count must be >= 1, got 0"),
        ("source.unlabelled.name", "paired", "pairs are searched neither for nor among unlabelled samples"),
        ("source.unlabelled.path", "more", r"a path of unlabelled samples needs source\.unlabelled\.name"),
        ("adapt.target.unlabelled.name", "digits", r"adapt\.target\.unlabelled is for no one"),
    ],
)
def test_a_wrong_option_is_named_with_its_value(option, value, message):
    with pytest.raises(WrongUse, match=message):
        overridden(DEFAULT, {option: value})


def test_a_threshold_is_a_number_or_left_open():
    assert overridden(DEFAULT, {"checks.agreement": "0.7"}).checks["agreement"] == 0.7
    assert overridden(DEFAULT, {"checks.agreement": "auto"}).checks["agreement"] == "auto"
    assert overridden(DEFAULT, {"judges.architectures": "cnn,mlp"}).judges.architectures == ("cnn", "mlp")


def test_an_unknown_recipe_is_answered_with_those_there_are():
    with pytest.raises(WrongUse, match="no 'faces' in pipelines/recipes: there are boundary, digits, digits_quick"):
        preset("faces")


def test_a_recipe_that_is_nearly_there_is_guessed():
    with pytest.raises(WrongUse, match=r"no 'digit' in pipelines/recipes: did you mean digits\? There are boundary,"):
        preset("digit")


def test_a_flow_takes_a_preset_by_name_and_what_differs_from_it():
    given = TypeAdapter(FromPreset).validate_python({"name": "digits_quick", "search": {"steps": 9}})

    assert given == replace(preset("digits_quick"), search=replace(DEFAULT.search, steps=9))


def test_a_flow_refuses_a_field_there_is_not():
    with pytest.raises(ValidationError, match="colour"):
        TypeAdapter(FromPreset).validate_python({"search": {"colour": 1}})
