"""What is said of a model that was brought: the range of its inputs, their size, its classes.

It stands in a JSON file beside the model (`m.json` beside `m.pt2`) or comes by options, which prevail.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, TypeAdapter, ValidationError

from data.errors import Damaged, WrongUse
from data.files import read_json


def _split(value: object) -> object:
    """A list as typed on a command line: `0.5,0.5,0.5`."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _spell(value: object) -> object:
    """Class names as a JSON file may hold them: digits are often numbers."""
    listed = _split(value)
    return [str(name) for name in listed] if isinstance(listed, Sequence) else listed


Numbers = Annotated[tuple[float, ...], BeforeValidator(_split)]
Names = Annotated[tuple[str, ...], BeforeValidator(_spell)]


@dataclass(frozen=True)
class Description:
    """A model's inputs and classes; what is left out is as the source has it.

    Attributes:
        low, high: what black and white are to the model, where one range fits all channels; [0, 1] if left out.
        mean, std: instead of them, a number a channel: the model takes (x - mean) / std of x in [0, 1].
        size: height and width of its images in pixels, or 0.
        channels: 1 or 3, or 0.
        class_names: in the order of its logits.
    """

    low: float | None = None
    high: float | None = None
    mean: Numbers = ()
    std: Numbers = ()
    size: int = 0
    channels: int = 0
    class_names: Names = ()

    def __post_init__(self) -> None:
        if (self.low is None) != (self.high is None) or len(self.mean) != len(self.std):
            raise ValueError("low and high come together, and mean and std, with as many numbers")
        if self.low is not None and self.mean:
            raise ValueError("low and high, or mean and std: not both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low must be < high, got {self.low} and {self.high}")
        if not all(value > 0 for value in self.std):
            raise ValueError(f"std must be > 0, got {list(self.std)}")
        if len(set(self.class_names)) != len(self.class_names):
            raise ValueError(f"class_names holds one twice: {', '.join(self.class_names)}")

    def scale_and_shift(self, channels: int) -> tuple[list[float], list[float]]:
        """The model's input is x * scale + shift, channel by channel, for x in [0, 1]."""
        if self.mean:
            return [1 / std for std in self.std], [-m / std for m, std in zip(self.mean, self.std, strict=True)]
        low, high = self.low or 0.0, 1.0 if self.high is None else self.high
        return [high - low] * channels, [low] * channels


def described(sidecar: Path, options: Mapping[str, object], *, must_exist: bool) -> Description:
    """What a sidecar and the options say together.

    Args:
        sidecar: the JSON file.
        options: fields of Description, those left at their default say nothing.
        must_exist: whether the file has to be there.

    Raises:
        WrongUse: the file is not there, or one of both says something that cannot be.
    """
    if must_exist and not sidecar.is_file():
        raise WrongUse(f"there is no file {sidecar}, which --model.sidecar names")
    said = _said(sidecar) if sidecar.is_file() else {}
    unasked = asdict(Description())
    given = {name: value for name, value in options.items() if value != unasked[name]}
    for pair, other in ((("low", "high"), ("mean", "std")), (("mean", "std"), ("low", "high"))):
        if any(name in given for name in pair):
            said = {name: value for name, value in said.items() if name not in other}
    try:
        return TypeAdapter(Description).validate_python({**said, **given})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        told = first["msg"].removeprefix("Value error, ")
        raise WrongUse(f"{sidecar} or --model options: {place + ': ' if place else ''}{told}") from error


def _said(sidecar: Path) -> dict[str, object]:
    known = [field.name for field in fields(Description)]
    try:
        said = dict(read_json(sidecar))
    except Damaged as error:
        raise WrongUse(f"{sidecar} is no JSON object of {', '.join(known)}") from error
    if unknown := sorted(set(said) - set(known)):
        told = f"a model is described by {', '.join(known)}; --model.sidecar names another file"
        raise WrongUse(f"{sidecar} holds {', '.join(unknown)}; {told}")
    return said
