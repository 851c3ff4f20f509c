"""A recipe file for somebody's own pairs: TOML, with a comment on whatever was guessed."""

import json
from collections.abc import Mapping

from data.guessing_pairs import PairGuess, SideGuess
from data.sources import Side
from pipelines.training.pages.recipe_file import COLOUR, GREY

RADII: Mapping[str, tuple[float, str]] = {
    "audio": (0.01, "of full scale"),
    "features": (0.5, "standard deviations of each feature"),
    "text": (2, "characters put in, left out or exchanged"),
}
"""Modality -> a radius to begin with, and its unit; that of images hangs on their colours."""

_PAGE = """\
# A recipe of hardshard, guessed by `hardshard init`. Change what you like: `hardshard recipes own_pairs` lists all.
preset = "own_pairs"  # what this file does not say is as in that preset

[source]
join = "{join}"  # {why_join}
labelled = 0  # training samples of either side that count as labelled; 0 for all there are
size = {size}  # pixels a side of pictures; 0 where they keep theirs
channels = {channels}  # 1 for grey, 3 for colours
# Shares that are held out, of each side's members: no member is in two parts.
validation_share = {share}
test_share = {share}

[source.first]  # {first_told}
{first}
[source.second]  # {second_told}
{second}
[events.epsilon]  # how far each modality may be changed; only you know what your model must withstand
{radii}"""


def pair_recipe_text(guess: PairGuess) -> str:
    """The file's text."""
    first, second = guess.sides
    return _PAGE.format(
        join=guess.source.join,
        why_join=guess.why_join,
        size=guess.source.size,
        channels=guess.source.channels,
        share=guess.source.test_share,
        first_told=f"{first.modality}: {first.told}",
        second_told=f"{second.modality}: {second.told}",
        first=_side(guess.source.first),
        second=_side(guess.source.second),
        radii="".join(_radius(side, guess.source.channels) for side in guess.sides),
    )


def radius_of(modality: str, channels: int) -> tuple[float, str]:
    """What to begin with, and its unit."""
    if modality == "image":
        return round(GREY if channels == 1 else COLOUR, 4), "of the range from black to white"
    return RADII[modality]


def _side(side: Side) -> str:
    lines = [f'name = "{side.name}"', f"path = {json.dumps(side.path, ensure_ascii=False)}"]
    if side.modality:
        lines.append(f'modality = "{side.modality}"')
    if side.length:
        lines.append(f"length = {side.length}  # what is longer is cut, what is shorter followed by zeros")
    return "\n".join(lines) + "\n"


def _radius(side: SideGuess, channels: int) -> str:
    radius, unit = radius_of(side.modality, channels)
    return f"{side.modality} = {radius}  # {unit}\n"
