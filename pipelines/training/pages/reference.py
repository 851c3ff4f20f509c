"""docs/reference.md: every command and every option of a recipe, from what the code itself says of them.

python -m pipelines.training.pages.reference > docs/reference.md
"""

import ast
import inspect
import textwrap
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from itertools import pairwise

from pipelines.commands.described import COMMANDS, GROUPS
from pipelines.commands.parsing import OPTIONS
from pipelines.recipes import DEFAULT, typed

_HEAD = """# Reference: commands and options

Made from the code by `python -m pipelines.training.pages.reference > docs/reference.md`; a test sees that this page is
up to date.

Exit codes: 0 done; 1 failed, or found something wrong; 2 the command or an option is wrong, and nothing was done; 130
stopped by ctrl-C. Messages and progress go to standard error, results to standard output, and with `--json` as one JSON
object. Colours only on a terminal, and never with `NO_COLOR` set. `--debug`, on every command, shows tracebacks and
Prefect's log.
"""
_OPTIONS = """
## Options of a recipe

Any command that takes a recipe takes these, as `--search.steps 40`; a recipe file has them as TOML (`[search]`, then
`steps = 40`), a Prefect parameter as JSON. Defaults are those of the preset `digits`; `hardshard recipes NAME` shows
those of another.
"""
_TABLE = """
### {title}

{about}

| option | default | |
| --- | --- | --- |
{rows}"""


def reference() -> str:
    """The page."""
    return "\n".join([_HEAD, "## Commands", *_commands(), _OPTIONS, *_options(DEFAULT, "")]).rstrip() + "\n"


def _commands() -> Iterator[str]:
    for group, names in GROUPS.items():
        yield f"\n### To {group}\n" if group.startswith(("look", "make", "begin")) else f"\n### For {group}\n"
        for name in names:
            command = COMMANDS[name]
            what = f" [{command.what.upper()}]" if command.what else ""
            yield f"**`hardshard {name}{what}`**: {command.does}. {command.more}".rstrip() + "\n"
            yield "\n".join(f"    {example}" for example in command.examples) + "\n"
            if command.options:
                yield "\n".join(f"- `{option}`: {OPTIONS[option]['help']}" for option in command.options) + "\n"


def _options(options: object, prefix: str) -> Iterator[str]:
    """A table of the options at one place, then those of the places within it."""
    documented = _documented(type(options))
    rows: list[str] = []
    within = []
    for name, value in ((field.name, getattr(options, field.name)) for field in fields(options)):  # type: ignore[arg-type]
        if is_dataclass(value):
            within.append((name, value))
        elif isinstance(value, dict):
            said = documented.get(name, "")
            rows += [_row(f"{prefix}{name}.{key}", each, said) for key, each in value.items()]
        else:
            rows.append(_row(prefix + name, value, documented.get(name, "")))
    title = prefix.rstrip(".") or "The recipe itself"
    if rows:
        yield _TABLE.format(title=title, about=_first_line(options), rows="\n".join(rows))
    for name, value in within:
        yield from _options(value, f"{prefix}{name}.")


def _row(name: str, value: object, said: str) -> str:
    return f"| `--{name}` | {_cell(value)} | {said.replace('|', chr(92) + '|')} |"


def _cell(value: object) -> str:
    return f"`{typed(value)}`" if typed(value) else ""


def _first_line(options: object) -> str:
    return (inspect.getdoc(type(options)) or "").split("\n")[0]


def _documented(kind: type) -> dict[str, str]:
    """Field -> the string that follows it in the class."""
    (node,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    body = node.body if isinstance(node, ast.ClassDef) else []
    return {
        field.target.id: " ".join(inspect.cleandoc(text.value.value).split())
        for field, text in pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


if __name__ == "__main__":
    print(reference(), end="")
