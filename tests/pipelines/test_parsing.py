"""What is typed, sorted into a command, its own options and those of the recipe."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict

import pytest

from data.errors import WrongUse
from pipelines.cli import FAMILIES, main
from pipelines.commands.described import COMMANDS, GROUPS
from pipelines.commands.parsing import RECIPES, overrides, parsed
from pipelines.recipes import DEFAULT, options_of


def test_options_of_the_recipe_are_told_from_those_of_the_command():
    asked = parsed(["run", "--search.steps", "40", "own", "--seeds", "2", "--source.path=my photos", "--seed", "-1"])

    assert (asked.command, asked.words.what, asked.words.seeds) == ("run", "own", 2)
    assert overrides(asked) == {"search.steps": "40", "source.path": "my photos", "seed": "-1"}


def test_a_short_name_stands_for_an_option_of_the_recipe():
    asked = parsed(["build", "--model", "m.pt2", "--rounds", "0", "--runner", "dask"])

    assert overrides(asked) == {"model.path": "m.pt2", "rounds.count": "0", "operations.runner": "dask"}


def test_the_command_may_stand_after_an_option():
    asked = parsed(["--run", "here", "--debug", "plan", "digits"])

    assert (asked.command, str(asked.words.run), asked.words.debug) == ("plan", "here", True)


def test_an_option_of_another_command_is_refused_by_name():
    with pytest.raises(WrongUse, match="--seeds is an option of run, uplift, scarcity, plan, not of build"):
        overrides(parsed(["build", "digits", "--seeds", "3"]))


def test_what_follows_a_command_of_prefect_is_left_as_it_is():
    asked = parsed(["worker", "--limit", "1", "--name=a"])

    assert asked.rest == ["--limit", "1", "--name=a"]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_with_examples_that_parse(name, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed([name, "--help"])

    said = capsys.readouterr().out
    assert ended.value.code == 0
    assert COMMANDS[name].does in said
    for example in COMMANDS[name].examples:
        assert example in said


def test_every_command_is_in_one_family_and_one_group():
    assert sorted(name for names in FAMILIES.values() for name in names) == sorted(COMMANDS)
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(COMMANDS)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["biuld", "digits"], "no command 'biuld': did you mean build?"),
        (["run", "digits", "--jsn"], "no option --jsn: did you mean --json?"),
        (["verify", "here", "--quik"], "no option --quik: did you mean --quick?"),
        (["run", "digits", "--sed", "3"], "no option --sed: did you mean --seed, --seeds?"),
    ],
)
def test_what_is_nearly_a_command_or_an_option_of_it_is_guessed(typed, message, capsys):
    with pytest.raises(SystemExit) as ended:
        parsed(typed)

    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_options_without_a_dot_are_those_the_recipe_has():
    assert {*RECIPES} == {f"--{name}" for name, _ in options_of(asdict(DEFAULT)) if "." not in name} - {"--name"}


def test_no_command_is_answered_with_an_example(capsys):
    with pytest.raises(SystemExit) as ended:
        parsed([])

    assert ended.value.code == 2
    assert "for instance: hardshard run digits_quick" in capsys.readouterr().err


def completions(line: str, folder) -> set[str]:
    asks = {"_ARGCOMPLETE": "1", "_ARGCOMPLETE_IFS": "\n", "_ARGCOMPLETE_STDOUT_FILENAME": str(folder / "out")}
    place = {"COMP_LINE": line, "COMP_POINT": str(len(line)), "COMP_TYPE": "9", "_ARGCOMPLETE_SHELL": "bash"}
    command = [sys.executable, "-m", "pipelines.cli"]
    subprocess.run(command, env={**os.environ, **asks, **place}, check=True, cwd=folder)
    return {word.strip() for word in (folder / "out").read_text().split("\n")}


def test_a_shell_completes_commands_recipes_files_and_options(workplace):
    (workplace / "photos.toml").touch()

    assert {"run", "build", "verify"} <= completions("hardshard ", workplace)
    assert completions("hardshard run di", workplace) == {"digits", "digits_quick"}
    assert completions("hardshard run ph", workplace) == {"photos.toml"}
    assert completions("hardshard build own --search.st", workplace) == {"--search.steps", "--search.step_size"}


def test_the_shells_own_lines_name_the_command(capsys):
    assert main(["completion", "zsh"]) == 0
    assert "hardshard" in capsys.readouterr().out

    assert main(["completion", "powershell"]) == 2


@pytest.mark.parametrize("colour", ["1", ""])
def test_a_pipe_gets_no_colours_and_may_be_closed_early(colour, workplace):
    environment = {**os.environ, "NO_COLOR": colour}
    recipes = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "recipes"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    )

    line = recipes.stdout.readline()
    recipes.stdout.close()

    assert "\x1b" not in line
    assert "Traceback" not in recipes.stderr.read()
    recipes.wait(timeout=60)


def test_recipes_are_told_to_a_script(capsys):
    assert main(["recipes", "own", "--search.steps", "41", "--json"]) == 0

    said = json.loads(capsys.readouterr().out)
    assert said["options"]["search.steps"] == 41
    assert "digits" in said["recipes"]


WAITS = """
import time, pipelines.cli as cli
cli._command = lambda name: lambda asked: print("ready", flush=True) or time.sleep(60)
cli.main(["build", "my recipe.toml", "--run", "runs/a"])
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_who_is_asked_to_end_says_what_goes_on_from_there(number, code):
    waiting = subprocess.Popen([sys.executable, "-c", WAITS], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    waiting.stdout.readline()

    waiting.send_signal(number)
    _, err = waiting.communicate(timeout=60)

    assert waiting.returncode == code
    assert err == "hardshard: stopped; go on from here with: hardshard build 'my recipe.toml' --run runs/a\n"


UNREACHABLE = """
import httpx, pipelines.cli as cli
def lost(asked):
    raise httpx.ConnectError("Connection refused")
cli._command = lambda name: lost
raise SystemExit(cli.main(["build", "digits"]))
"""


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("", 143, "stopped; go on from here with: hardshard build digits"),
        ("http://127.0.0.1:1/api", 1, "Prefect's server at http://127.0.0.1:1/api cannot be reached"),
    ],
)
def test_a_server_that_does_not_answer_is_told_in_a_line(url, code, said):
    environment = {**os.environ, "PREFECT_API_URL": url}

    done = subprocess.run(
        [sys.executable, "-c", UNREACHABLE], env=environment, capture_output=True, text=True, check=False
    )

    assert done.returncode == code
    assert done.stderr.startswith(f"hardshard: {said}")
    assert done.stderr.count("\n") == 1


def test_a_store_of_an_unknown_kind_is_refused_before_any_work(workplace, capsys):
    assert main(["build", "digits", "--shards.url", "foo://bar/baz"]) == 2
    assert "Protocol not known: foo" in capsys.readouterr().err
    assert not list(workplace.rglob("*.json"))
