"""What the documents tell people to type is taken by the command as it is; the cheap commands among it are run."""

import importlib.util
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.commands.described import COMMANDS
from pipelines.commands.parsing import overrides, parsed
from pipelines.recipes import Recipe, overridden, preset
from pipelines.training.pages.reference import reference
from pipelines.training.planning import plan_of

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "examples/README.md", *sorted((ROOT / "docs").glob("*.md"))]
TYPED = re.compile(r"^(?:    )?(?:\.venv/bin/)?(hardshard [a-z].*)$", re.MULTILINE)
"""A line of its own, in a fence or indented."""
WITHIN = re.compile(r"`(hardshard [a-z]+ [^`]*)`")
"""Within a sentence or a table."""
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}\b")
"""Stands for something of the reader's own."""
PLAIN = {"steps", "batch_size", "norm", "epsilon", "weight_decay", "low", "high", "mean", "std", "size", "channels"}
PLAIN |= {"class_names", "part", "norms", "corruptions"}
OWN = 'preset = "own"\n[source]\npath = "photos"\n'


def commands_of(page: Path) -> list[str]:
    text = page.read_text()
    sentences = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```[a-z]*\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    lines = [
        line
        for block in [*blocks, "\n".join(re.findall("^    .*$", sentences, re.MULTILINE))]
        for line in TYPED.findall(block)
    ]
    return sorted(line for line in {*lines, *WITHIN.findall(sentences)} if not PLACEHOLDER.search(line))


def words_of(command: str) -> list[str]:
    """Without what follows a hash sign, a pipe, or the columns of spaces that set an explanation off."""
    return shlex.split(re.split(r"\s{4,}| \| ", command)[0], comments=True)[1:]


EVERY = [(page.name, command) for page in PAGES for command in commands_of(page)]


@pytest.fixture
def files(workplace):
    """The recipe files that the documents speak of."""
    for name in ("photos.toml", "mine.toml"):
        (workplace / name).write_text(OWN)
    return workplace


def is_at_hand(recipe: Recipe) -> bool:
    """Whether it asks for no file of the reader's."""
    sides = (recipe.source, recipe.source.first, recipe.source.second, recipe.model)
    return not any(side.path for side in sides) and "://" not in recipe.shards.url


@pytest.mark.parametrize(("page", "command"), EVERY, ids=[f"{page}: {command[:60]}" for page, command in EVERY])
def test_a_command_of_the_documents_is_taken_as_it_stands(page, command, files):
    words = words_of(command)
    if "--help" in words:
        assert words[0] in COMMANDS
        return
    asked = parsed(words)

    if COMMANDS[asked.command].takes_recipe and "brighten" not in command:  # the search that the README has one write
        recipe = overridden(preset(asked.words.what or "digits"), overrides(asked))
        if asked.command in ("run", "build") and is_at_hand(recipe):
            assert plan_of(recipe, files / "runs/planned", asked.command, getattr(asked.words, "seeds", 1)).todo


@pytest.mark.parametrize(("name", "examples"), [(name, command.examples) for name, command in COMMANDS.items()])
def test_an_example_in_a_help_text_is_taken_as_it_stands(name, examples, files):
    for example in examples:
        words = words_of(example.removeprefix('eval "$(').removesuffix(')"'))
        asked = parsed(words)
        assert asked.command == name
        if COMMANDS[name].takes_recipe:
            overridden(preset(asked.words.what or "digits"), overrides(asked))


@pytest.mark.parametrize(
    "command",
    sorted(
        {command for _, command in EVERY if re.match("hardshard (recipes|completion|plan digits(?! --probe))", command)}
    ),
)
def test_a_cheap_command_of_the_documents_works(command, workplace):
    assert main(words_of(command)) == 0


def test_the_reference_page_is_what_the_code_says():
    assert (ROOT / "docs/reference.md").read_text() == reference(), (
        "make it anew: python -m pipelines.training.pages.reference > docs/reference.md"
    )


def test_every_option_says_what_it_is_for_but_for_the_plainest():
    silent = [
        line.split("`")[1] for line in reference().splitlines() if line.startswith("| `--") and line.endswith("|  |")
    ]

    assert {option.rpartition(".")[2] for option in silent} <= PLAIN


def test_links_between_pages_lead_somewhere():
    for page in PAGES:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} links to {link}"


@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="pip install .[docs]")
@pytest.mark.slow
def test_the_site_is_built_without_a_warning(tmp_path):
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path / "site")]

    subprocess.run(build, cwd=ROOT, check=True)

    assert (tmp_path / "site/tutorial/index.html").is_file()


def test_every_page_is_in_the_menu_of_the_site():
    menu, pages = (ROOT / "mkdocs.yml").read_text(), {page.name for page in (ROOT / "docs").glob("*.md")} - {"index.md"}

    assert not {page for page in pages if f"- {page}" not in menu}
