"""A recipe file for somebody's own data: TOML, with a comment on whatever was guessed."""

import json

from data.guessing import Guess

SMALL = 16
"""Pixels a side up to which the default networks and attacks are quick."""
GREY, COLOUR = 0.12, 8 / 255
"""Radii to withstand: that of the digits; for colours what RobustBench has, Croce et al. 2021, arXiv:2010.09670."""

_PAGE = """\
# A recipe of hardshard, guessed by `hardshard init`. Change what you like: `hardshard recipes own` lists every option.
preset = "own"  # what this file does not say is as in that preset

[source]
name = {name}
path = {path}
{columns}# {count} classes of {least} to {most} samples each, among {seen} {looked} that were looked at
labelled = 0  # training samples that count as labelled; 0 for all there are
size = {size}  # pixels a side; {why_size}
channels = {channels}  # 1 for grey, 3 for colours
# Parts that the files are named after: {parts}. Shares that are held out where a part is not named:
validation_share = {share}
test_share = {share}

[evaluation]
epsilon = {epsilon}  # how far a pixel may be changed, of 0 to 1; {why_epsilon}

[search]
epsilon = {wide}  # of the search `perturb`

[training]  # in a ball half as wide again as the one to withstand: docs/uplift.md
ball = {{ epsilon = {wide}, steps = {steps}, step_size = {wide_step} }}
{smaller}
[judges.fit]
ball = {{ epsilon = {epsilon}, steps = {judges_steps}, step_size = {step} }}
{judges_smaller}"""

_SMALLER = """\
features = 8  # smaller networks, fewer and longer attack steps: images of this size take minutes (docs/training.md)
steps = 1500

[generator]
features = 16
"""


def recipe_text(guess: Guess) -> str:
    """The file's text."""
    source, epsilon = guess.source, epsilon_of(guess)
    wide = round(1.5 * epsilon, 4)
    large = max(source.size, *(max(size) for size in guess.sizes if not source.size), 0) > SMALL
    columns = f"image_column = {_quoted(source.image_column)}\nlabel_column = {_quoted(source.label_column)}\n"
    return _PAGE.format(
        name=_quoted(source.name),
        path=_quoted(source.path),
        columns=columns if source.name == "parquet" else "",
        count=len(guess.classes),
        least=min(guess.classes.values(), default=0),
        most=max(guess.classes.values(), default=0),
        seen="all" if guess.whole else "the first",
        looked=guess.looked,
        size=source.size,
        why_size=guess.why_size,
        channels=source.channels,
        parts=", ".join(f"{part} {count}" for part, count in sorted(guess.parts.items()) if part) or "none",
        share=source.test_share,
        epsilon=epsilon,
        why_epsilon="as for digits" if source.channels == 1 else "8 / 255, which most take for photographs",
        wide=wide,
        steps=2 if large else 7,
        wide_step=round(wide / (2 if large else 4), 4),
        smaller=_SMALLER if large else "",
        judges_steps=2 if large else 5,
        step=round(epsilon / (2 if large else 4), 4),
        judges_smaller="features = 8\nramp = 0.2\n" if large else "",
    )


def epsilon_of(guess: Guess) -> float:
    """The radius to withstand, in input units."""
    return round(GREY if guess.source.channels == 1 else COLOUR, 4)


def _quoted(text: str) -> str:
    """As a TOML string: JSON's, but for one character that JSON leaves as it is."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
