"""Every command: what it does in a line, what it takes, examples that can be typed as they stand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        does: in one line.
        examples: lines to type.
        options: those that are not the recipe's, see `parsing.OPTIONS`.
        what: what the word after the command is; empty where there is none.
        what_help: the same in a sentence.
        more: what the line leaves out.
        takes_recipe: whether any field of the recipe may be given as an option.
        passes_on: whether all that follows is for Prefect's own command.
    """

    does: str
    examples: Sequence[str]
    options: Sequence[str] = ()
    what: str = ""
    what_help: str = ""
    more: str = ""
    takes_recipe: bool = False
    passes_on: bool = False


_RECIPE_HELP = (
    "a preset (`hardshard recipes` lists them), or a recipe file, .toml, as `hardshard init` writes (default: digits)"
)
_SET_HELP = "the folder or URL of a shard set"
_RESUMES = "Run again after a stop, a crash or a changed option: what is finished and still valid is not done again."


def _on_recipe(does: str, examples: Sequence[str], *options: str, more: str = "") -> Command:
    return Command(does, examples, options, "recipe", _RECIPE_HELP, more, takes_recipe=True)


def _on_set(does: str, examples: Sequence[str], *options: str) -> Command:
    return Command(does, examples, options, "set", _SET_HELP)


def _of_prefect(does: str, *examples: str) -> Command:
    return Command(
        does, examples, more="What follows is for Prefect's own command; docs/operations.md.", passes_on=True
    )


COMMANDS: Mapping[str, Command] = {
    "init": Command(
        "look at your data, guess a recipe for it, and write that down",
        [
            "hardshard init photos",
            "hardshard init data.parquet --recipe mine.toml",
            "hardshard init s3://bucket/tars --json",
            "hardshard init pictures sounds",
        ],
        ("--recipe", "--json"),
        what="data",
        what_help="a folder, file or URL: images in a folder a class, Parquet, WebDataset tars, .npz, IDX; for pairs "
        "two folders, or one that holds both",
        more="It reads and writes nothing but the recipe, .toml, which any command takes in place of a preset.",
    ),
    "doctor": _on_recipe(
        "what here would stop a run, and how to mend it; exit code 1 if anything would",
        [
            "hardshard doctor",
            "hardshard doctor own --source.path photos",
            "hardshard doctor digits --shards.url s3://bucket/hard --json",
        ],
        *("--run", "--model", "--runner", "--json"),
        more="Looks at packages, device, cores, disk, data, model, store and Prefect, and changes nothing.",
    ),
    "run": _on_recipe(
        "the whole run: model, generator, judges, shards, comparison, report",
        [
            "hardshard run digits_quick",
            "hardshard run digits --seeds 5",
            "hardshard run digits --run runs/mine --search.steps 40",
            "hardshard run digits --rounds 20",
            "hardshard run digits --runner dask",
        ],
        *("--run", "--model", "--seeds", "--rounds", "--runner", "--json"),
        more=_RESUMES,
    ),
    "build": _on_recipe(
        "as far as the shards; no comparison, no test sample read",
        [
            "hardshard build digits --run runs/mine",
            "hardshard build own --source.path photos --source.size 32 --source.channels 3",
            "hardshard build digits --model digits.pt2",
            "hardshard build digits --budget.accepted 10000 --budget.minutes 20",
            "hardshard build digits --shards.url s3://bucket/hard",
        ],
        *("--run", "--model", "--rounds", "--runner", "--json"),
        more=_RESUMES,
    ),
    "uplift": _on_recipe(
        "would shards pay? the best mix by validation, then every arm and its cost",
        ["hardshard uplift digits --seeds 3"],
        *("--run", "--model", "--seeds", "--runner", "--json"),
        more=_RESUMES,
    ),
    "scarcity": _on_recipe(
        "what do shards bring where labels are scarce? A run for each number of labels, and the curve",
        [
            "hardshard scarcity digits --labels 100 300 --seeds 3",
            "hardshard scarcity digits --labels 100 300 900 --source.validation_share 0.2 --source.test_share 0.2",
        ],
        *("--labels", "--run", "--seeds", "--runner", "--json"),
        more="The runs lie in folders of their own, labels-100 and so on, within runs/digits-scarcity or --run, and "
        f"scarcity.html and scarcity.json beside them. {_RESUMES}",
    ),
    "audit": _on_recipe(
        "attack a model, train nothing: what breaks it, where, and what to do next",
        [
            "hardshard audit --model mine.pt2 --source.name idx --source.path /usr/share/datasets/fashion-mnist",
            "hardshard audit digits --audit.generator runs/digits",
        ],
        *("--run", "--model", "--runner", "--json"),
        more=_RESUMES,
    ),
    "adapt": _on_recipe(
        "labels there, none here: a model that works here, and shards to train any other on",
        ["hardshard adapt rendered_to_digits", "hardshard adapt rendered_to_mnist"],
        *("--run", "--runner", "--json"),
        more=_RESUMES,
    ),
    "synthesise": _on_recipe(
        "pairs made up: both parts from one latent, one from the other, or transformed together",
        [
            "hardshard synthesise spoken_mnist",
            "hardshard synthesise spoken_mnist --synthesis.ways.paired_latent 10000",
        ],
        *("--run", "--runner", "--json"),
        more=_RESUMES,
    ),
    "plan": _on_recipe(
        "what a run would do and why, what is done already, time and disk; does nothing",
        [
            "hardshard plan digits",
            "hardshard plan digits --to build --json",
            "hardshard plan spoken_mnist --to synthesise",
            "hardshard plan digits --probe --budget.accepted 10000 --budget.minutes 20",
        ],
        *("--run", "--model", "--seeds", "--rounds", "--runner", "--probe", "--to", "--json"),
    ),
    "recipes": _on_recipe(
        "the recipes there are, and every option of one with its value",
        ["hardshard recipes", "hardshard recipes own", "hardshard recipes digits --json"],
        *("--run", "--model", "--rounds", "--runner", "--json"),
    ),
    "inspect": _on_set(
        "counts, margins and pictures of a shard set",
        ["hardshard inspect runs/digits/shards --grid hard.png"],
        *("--grid", "--json"),
    ),
    "verify": _on_set(
        "look at every byte of a shard set; exit code 1 if anything is wrong",
        ["hardshard verify runs/digits/shards", "hardshard verify s3://bucket/hard --json"],
        *("--quick", "--json"),
    ),
    "repair": _on_set(
        "make a shard set whole again, from its run or from what is left",
        ["hardshard repair runs/digits/shards"],
        "--run",
    ),
    "server": _of_prefect("Prefect's server, with the settings that schedules need", "hardshard server"),
    "deploy": _of_prefect("make at the server what prefect.yaml lists", "hardshard deploy"),
    "worker": _of_prefect("start the runs that are due on this machine", "hardshard worker"),
    "completion": Command(
        "print what makes your shell complete hardshard's words",
        ['eval "$(hardshard completion bash)"', "hardshard completion fish | source"],
        what="shell",
        what_help="bash, zsh or fish (default: bash)",
        more="Add the line to your shell's own start file.",
    ),
}

GROUPS: Mapping[str, Sequence[str]] = {
    "begin": ("init", "doctor"),
    "make hard samples": ("build", "run", "uplift", "scarcity", "adapt", "synthesise", "plan", "recipes"),
    "look at a model": ("audit",),
    "look at shards": ("inspect", "verify", "repair"),
    "schedules": ("server", "deploy", "worker"),
    "your shell": ("completion",),
}
"""As the overview lists them."""
