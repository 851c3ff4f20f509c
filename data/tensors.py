"""Members of samples as the tensors of a batch: inputs, labels, soft labels. Nothing here reads a pickle."""

import io
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from data.blocks import Members
from data.errors import Damaged
from data.forms import IMAGE_ALONE, Form
from data.modalities import image, modality
from data.pixels import pixels_of

OTHERS = ("jpg", "jpeg", "webp", "bmp", "ppm")
"""Extensions of images that other people's tars hold."""


class Decoded(NamedTuple):
    """B samples.

    Attributes:
        inputs: modality -> its values (B, ...): images uint8 (B, C, H, W), sound int16, features float32, text uint8.
        labels: int64 (B,).
        soft_labels: float32 (B, K), one-hot where a sample has none.
    """

    inputs: dict[str, Tensor]
    labels: Tensor
    soft_labels: Tensor


def tensors_of(
    samples: Sequence[Members], classes: int, name: Callable[[int], str], forms: Mapping[str, Form] | None = None
) -> Decoded:
    """B samples decoded.

    Args:
        samples: B samples, with their inputs, `cls`, and perhaps `probs.npy`.
        classes: K, for samples without a soft label.
        name: what to call the sample at a place in messages.
        forms: modality -> its form, of what is to be decoded; None for images of any form, in whatever format.

    Raises:
        Damaged: a sample does not decode, or has another shape than the first.
    """
    inputs, labels, soft = list[dict[str, Tensor]](), list[int](), list[np.ndarray]()
    only_images = forms is None or tuple(forms) == IMAGE_ALONE
    for place, members in enumerate(samples):
        try:
            inputs.append({"image": _image(members)} if only_images else decoded(members, forms or {}))
            labels.append(int(members["cls"]))
            soft.append(_soft(members, labels[-1], classes))
        except (KeyError, ValueError, Damaged) as error:
            raise Damaged(f"{name(place)} does not decode: {error!r}") from error
        if any(x.shape != inputs[0][kind].shape for kind, x in inputs[-1].items()) or soft[-1].shape != soft[0].shape:
            found, first = ((*(tuple(x.shape) for x in inputs[at].values()), *soft[at].shape) for at in (place, 0))
            raise Damaged(f"{name(place)} has shape and classes {found}, not {first} as {name(0)}")
    stacked = {kind: torch.stack([each[kind] for each in inputs]) for kind in inputs[0]}
    return Decoded(stacked, torch.tensor(labels), torch.from_numpy(np.stack(soft)))


def decoded(members: Members, forms: Mapping[str, Form]) -> dict[str, Tensor]:
    """Modality -> its values (...), of one sample.

    Raises:
        Damaged: a member does not decode to its form.
        KeyError: a member is missing.
    """
    found = {}
    for name, form in forms.items():
        kind = modality(name)
        found[name] = kind.decode(members[kind.extension], form)
    return found


def _image(members: Members) -> Tensor:
    if image.extension in members:
        return image.decode(members[image.extension])
    for extension in OTHERS:
        if extension in members:
            return torch.from_numpy(pixels_of(members[extension]).copy())
    raise ValueError(f"no image among its members: {', '.join(members)}")


def _soft(members: Members, label: int, classes: int) -> np.ndarray:
    content = members.get("probs.npy")
    found = None if content is None else _array(content)
    if not 0 <= label < (classes if found is None else found.size):
        raise ValueError(f"label {label} of {classes if found is None else found.size} classes: is `classes` right?")
    return _one_hot(classes)[label] if found is None else found


@lru_cache(maxsize=8)
def _one_hot(classes: int) -> np.ndarray:
    return np.eye(classes, dtype=np.float32)


def _array(content: bytes) -> np.ndarray:
    """The numbers of an .npy file, float32 (K,)."""
    size = 10 + int.from_bytes(content[8:10], "little")
    kind, shape = _npy_header(content[:size])
    found: np.ndarray = np.frombuffer(content, kind, offset=size).reshape(shape).astype(np.float32)
    if found.ndim != 1:
        raise ValueError(f"a soft label of shape {found.shape}, not (K,)")
    return found


@lru_cache(maxsize=64)
def _npy_header(head: bytes) -> tuple[np.dtype, tuple[int, ...]]:
    """Type and shape by an .npy file's header, version 1.0; the same few headers come again and again."""
    if head[:8] != b"\x93NUMPY\x01\x00":
        raise Damaged("no .npy file of version 1.0")
    shape, fortran, kind = np.lib.format.read_array_header_1_0(io.BytesIO(head[8:]))
    if kind.hasobject or fortran:
        raise Damaged("an .npy file of Python objects, or in Fortran order")
    return kind, shape
