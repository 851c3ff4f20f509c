"""A user's own recipe: guessed, written, read again, run like a preset."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from PIL import Image
from pydantic import TypeAdapter

from data.errors import WrongUse
from data.guessing import guess
from data.sources import source_of
from pipelines.cli import main
from pipelines.recipes import FromPreset, overridden, preset


@pytest.fixture
def photos(workplace):
    """Four classes of two images, in a folder with a name that TOML must quote."""
    folder = workplace / 'my "photos" é'
    for number in range(8):
        (folder / f"class {number % 4}").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((20, 20, 3), 9 * number, np.uint8)).save(
            folder / f"class {number % 4}" / f"{number}.png"
        )
    return folder


def test_what_is_guessed_is_written_and_read_again(photos, capsys):
    assert main(["init", str(photos), "--recipe", "mine.toml"]) == 0

    found = preset("mine.toml")
    assert asdict(found.source) == asdict(guess(str(photos)).source)
    assert found.called == "mine"
    assert found.evaluation.epsilon == 0.0314
    assert found.training.ball.epsilon == 0.0471
    said = capsys.readouterr().out
    assert "classes   4: class 0 2, class 1 2" in said
    assert "hardshard build mine.toml" in said


def test_the_next_commands_can_be_typed_as_they_stand(photos, capsys):
    main(["init", str(photos), "--recipe", "mine.toml", "--json"])
    told = json.loads(capsys.readouterr().out)

    assert told["recipe"] == "mine.toml"
    assert told["source"]["size"] == 20
    for command in told["next"]:
        _, _, *rest = command.split()
        assert main(["plan", *[part for part in rest if part not in ("--to", "build")]]) == 0
    assert "runs/mine" in capsys.readouterr().out


def test_a_recipe_that_is_there_is_not_written_over(photos, capsys):
    main(["init", str(photos), "--recipe", "mine.toml"])

    assert main(["init", str(photos), "--recipe", "mine.toml"]) == 2
    assert main(["init", str(photos), "--recipe", "mine.py"]) == 2
    assert "mine.py does not end in .toml: name another file" in capsys.readouterr().err


def write(text: str):
    from pathlib import Path

    Path("own.toml").write_text(text)
    return "own.toml"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("preset = ", "own.toml is no recipe file: "),
        ("", 'own.toml is empty: name the preset that it differs from, as preset = "digits"'),
        ("# seed = 3", "own.toml is empty"),
        ("preset = 'own.toml'", "begins with preset = one of the presets"),
        ("preset = 'faces'", "no 'faces' in pipelines/recipes"),
        ("name = 'other'", "is called as the file is"),
        ("[search]\nstep = 3", "own.toml: no option --search.step: did you mean --search.steps"),
        ("[search]\nsteps = 0", "own.toml: search.steps must be >= 1, got 0"),
    ],
)
def test_a_wrong_recipe_file_is_named_with_what_is_wrong(text, message, workplace):
    with pytest.raises(WrongUse, match=message):
        preset(write(text))


def test_a_recipe_file_differs_from_its_preset_and_options_from_it(workplace):
    name = write('preset = "digits_quick"\nseed = 3\n[search]\nsteps = 7\n[judges]\narchitectures = ["cnn", "mlp"]')

    found = overridden(preset(name), {"search.band": "2"})

    assert (found.seed, found.search.steps, found.search.band) == (3, 7, 2)
    assert found.judges.architectures == ("cnn", "mlp")
    assert found.training == preset("digits_quick").training


def test_a_flow_takes_a_recipe_file_by_its_path(workplace):
    name = write("seed = 4")

    found = TypeAdapter(FromPreset).validate_python({"name": name, "search": {"steps": 9}})

    assert (found.seed, found.search.steps, found.called) == (4, 9, "own")


@pytest.fixture
def captioned(workplace):
    """Colour pictures of two classes, one thin, and captions of the same names in a folder beside them."""
    for kind, count in {"red": 9, "blue": 3}.items():
        for side in ("pictures", "captions"):
            (workplace / side / kind).mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (64, 64), (9 * number, 0, 0)).save(workplace / f"pictures/{kind}/{number}.png")
            (workplace / f"captions/{kind}/{number}.txt").write_text(f"a {kind} thing, number {number}")
    return workplace


def test_two_folders_become_pairs_joined_by_the_names_they_share(captioned, capsys):
    assert main(["init", "pictures", "captions"]) == 0

    source = preset("pictures.toml").source
    said = capsys.readouterr().out
    assert (source.name, source.join, source.size, source.channels) == ("paired", "id", 64, 3)
    assert (source.second.modality, source.second.length) == ("text", len("a blue thing, number 0"))
    assert preset("pictures.toml").events.epsilon == {"image": 0.0314, "text": 2}
    assert "12 of 12 have a partner of the same name" in said
    assert main(["plan", "pictures.toml"]) == 0
    pairs = source_of(source).sides.values()
    assert [len(list(side.samples)) for side in pairs] == [12, 12]


def test_two_folders_without_a_name_in_common_are_joined_by_class(captioned):
    for caption in sorted((captioned / "captions").rglob("*.txt")):
        caption.rename(caption.with_name(f"caption-{caption.name}"))

    assert main(["init", "pictures", "captions"]) == 0

    assert preset("pictures.toml").source.join == "class"


def test_one_folder_that_holds_both_is_pairs_of_itself(captioned):
    for caption in (captioned / "captions").rglob("*.txt"):
        caption.rename(captioned / "pictures" / caption.relative_to(captioned / "captions"))

    assert main(["init", "pictures"]) == 0

    source = preset("pictures.toml").source
    assert source.first.path == source.second.path == str(captioned / "pictures")
    assert source.join == "id"


@pytest.mark.parametrize(
    ("places", "message"),
    [
        (["captions"], "captions holds text alone, and a run takes pictures, or pairs"),
        (["captions", "captions"], "both sides of the pair would be text"),
        (["pictures", "nothing"], "holds no file of a picture, sound, features or text"),
        (["nowhere"], "there is no nowhere here"),
        (["pictures", "others"], "share 0 names and 0 classes"),
        (["pictures", "captions", "captions"], "takes a folder, file or URL of samples, or two for pairs, got 3"),
    ],
)
def test_what_is_no_pair_is_refused_with_what_would_be_one(places, message, captioned, capsys):
    (captioned / "nothing").mkdir()
    (captioned / "others" / "green").mkdir(parents=True)
    (captioned / "others" / "green" / "x.txt").write_text("a green thing")

    assert main(["init", *places]) == 2

    assert message in capsys.readouterr().err
    assert not list(captioned.glob("*.toml"))


def test_a_note_beside_the_data_makes_no_pairs_of_it(captioned, workplace):
    (captioned / "pictures" / "README.txt").write_text("taken in May")
    np.savez(workplace / "a.npz", x=np.zeros((30, 8, 8), np.uint8), y=np.arange(30) % 3)
    (workplace / "arrays").mkdir()
    (workplace / "a.npz").rename(workplace / "arrays" / "a.npz")
    (workplace / "arrays" / "notes.txt").write_text("made in June")

    assert main(["init", "pictures"]) == main(["init", "arrays"]) == 0

    assert preset("pictures.toml").source.name == "image_folder"
    assert preset("arrays.toml").source.name == "npz"
