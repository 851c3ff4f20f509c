"""The form that all inputs of one modality in a set share: shape, rate, and what one unit of a perturbation is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

IMAGE_ALONE = ("image",)
"""The modalities of a set that says no more of them than their shape."""


@dataclass(frozen=True)
class Form:
    """What inputs of one modality have in common.

    Attributes:
        shape: of one input: images (C, H, W), sound (C, T), features (..., D), text (bytes,).
        rate: samples of sound a second; 0 for what has none.
        unit: float (D,), what a perturbation of 1 is, along the last dimension; () where it is 1 in the inputs' own
            range.
    """

    shape: tuple[int, ...]
    rate: int = 0
    unit: tuple[float, ...] = ()


def forms_of(facts: Mapping[str, object]) -> dict[str, Form]:
    """Modality -> its form, by the index of a set."""
    shapes = cast(Mapping[str, Sequence[int]], facts.get("shapes", {}))
    more = cast(Mapping[str, Mapping[str, object]], facts.get("modalities", {}))
    return {name: _form(shape, more.get(name, {})) for name, shape in sorted(shapes.items())}


def _form(shape: Sequence[int], more: Mapping[str, object]) -> Form:
    return Form(tuple(shape), int(str(more.get("rate", 0))), tuple(cast(Sequence[float], more.get("unit", ()))))


def told_of(forms: Mapping[str, Form]) -> dict[str, object]:
    """What the index of a set says of its modalities beside their shapes; nothing of images alone."""
    if tuple(forms) == IMAGE_ALONE:
        return {}
    return {"modalities": {name: {"rate": form.rate, "unit": list(form.unit)} for name, form in sorted(forms.items())}}


def named_forms(told: Mapping[str, Mapping[str, object]]) -> dict[str, Form]:
    """Modality -> its form, by what `dataclasses.asdict` made of forms and JSON kept; raises KeyError, TypeError."""
    return {
        name: Form(
            tuple(map(int, cast(Sequence[int], form["shape"]))),
            int(cast(int, form["rate"])),
            tuple(cast(Sequence[float], form["unit"])),
        )
        for name, form in told.items()
    }
