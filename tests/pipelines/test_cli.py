"""The command as a user types it: exit codes, one clear line, no traceback."""

import subprocess
import sys

import pytest

HARDSHARD = [sys.executable, "-m", "pipelines.cli"]


def called(*arguments, cwd):
    return subprocess.run([*HARDSHARD, *arguments], capture_output=True, text=True, cwd=cwd, check=False)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "faces"], "no 'faces' in pipelines/recipes: there are boundary, digits"),
        (["run", "digits", "--search.step", "40"], "no option --search.step: did you mean --search.steps"),
        (["run", "digits", "--search.steps", "0"], "search.steps must be >= 1, got 0"),
        (["run", "digits", "--search.steps"], "options come as --name value"),
        (["run", "digits", "stray"], "options come as --name value, got stray"),
        (["run", "digits", "--seeds", "0"], "--seeds must be >= 1, got 0"),
        (["run", "digits", "--rounds", "-1"], "rounds.count must be >= 0, got -1"),
        (["uplift", "digits", "--uplift.shares", "0"], "uplift.shares must lie in ]0, 1], got [0.0]"),
        (["scarcity", "digits"], "--labels takes two numbers or more, none twice, as --labels 100 300, got none"),
        (["scarcity", "digits", "--labels", "100", "100"], "none twice, as --labels 100 300, got 100 100"),
        (["scarcity", "--labels", "9", "99", "--source.labelled", "9"], "by --labels, not by --source.labelled"),
        (["adapt", "--adapt.rounds", "0"], "adapt.rounds must be >= 1, got 0"),
        (["adapt", "--adapt.target.name", "idx"], "source.path is missing: idx needs a file or folder"),
        (["build", "digits", "--shards.quotas.7", "2"], "shards.quotas must be shares >= 0 that sum to at most 1"),
        (["plan", "digits", "--budget.minutes", "-1"], "budget.minutes must be >= 0 and finite, got -1"),
        (["plan", "digits", "--source.name", "idx", "--source.path", "/nowhere"], "source.path /nowhere holds no"),
        (["build", "digits", "--source.labelled", "-1"], "source.labelled must be >= 0, got -1"),
        (["build", "digits", "--source.name", "idx"], "source.path is missing"),
        (["build", "digits", "--source.name", "npz", "--source.path", "/nowhere"], "holds no .npz file"),
        (["build", "digits", "--model", "/nowhere.pt2"], "there is no file /nowhere.pt2, which --model.path names"),
        (["build", "digits", "--model", "net.pth"], "must be a torch.export program, .pt2, or module:factory"),
        (["build", "digits", "--model", "net:build"], "model.weights is missing: the safetensors file of net:build"),
        (["build", "digits", "--model.low", "-1"], "model.path is missing"),
    ],
)
def test_wrong_use_ends_with_2_and_one_line_before_any_work(arguments, message, workplace):
    result = called(*arguments, cwd=workplace)

    assert result.returncode == 2
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert not (workplace / "runs").exists()


def test_a_folder_of_another_recipe_is_refused(workplace):
    (workplace / "mine").mkdir()
    (workplace / "mine/run.json").write_text('{"recipe": "digits"}')

    result = called("run", "digits_quick", "--run", "mine", cwd=workplace)

    assert result.returncode == 2
    assert "belongs to recipe 'digits', not 'digits_quick': choose another folder with --run" in result.stderr
    assert "Traceback" not in result.stderr


def test_debug_shows_where(workplace):
    result = called("run", "faces", "--debug", cwd=workplace)

    assert result.returncode == 1
    assert "Traceback" in result.stderr


def test_recipes_lists_presets_and_every_option(workplace):
    result = called("recipes", cwd=workplace)

    assert result.returncode == 0
    assert "digits_quick            The whole path in under two minutes" in result.stdout
    assert "--search.steps 40" in result.stdout


def test_help_lists_what_each_command_does(workplace):
    result = called("--help", cwd=workplace)

    assert result.returncode == 0
    assert "would shards pay?" in result.stdout
