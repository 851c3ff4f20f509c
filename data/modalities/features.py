"""Features: finite floats (..., D) in memory, float32 .npy without pickle at rest: frames of MFCC, rows of tables.

A perturbation is measured in standard deviations of the training samples, feature by feature.
"""

import io
from math import inf, prod

import numpy as np
import torch
from torch import Tensor

from data.errors import Damaged
from data.forms import Form
from data.modalities import Content, Fit, Held, Modality, furthest
from data.refused import Refused

MOST = 64 * 2**20
"""Numbers of the largest array that is read: a header may claim more than memory holds."""


def _take(content: Content, fit: Fit) -> Held:
    try:
        found = _array_of(content) if isinstance(content, bytes) else content
    except Damaged as error:
        raise Refused("not_an_array", str(error)) from error
    if found.dtype.kind not in "fiu" or not found.ndim:
        raise Refused("wrong_shape", f"shape {found.shape} of {found.dtype}: an array of numbers is needed")
    with np.errstate(over="ignore"):
        values = found.astype("<f4")
    if not np.isfinite(values).all():
        raise Refused("not_finite", "a feature is NaN or infinite as float32")
    if fit.length:
        values = values[: fit.length]
        values = np.pad(values, [(0, fit.length - len(values)), *[(0, 0)] * (values.ndim - 1)])
    if not values.size:
        raise Refused("empty", f"shape {found.shape}")
    return Held(values)


def _array_of(content: bytes) -> np.ndarray:
    """The array of an .npy file, read without pickle, and no longer than it claims."""
    stream = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, kind = read(stream)
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise Damaged(f"no .npy file ({error})") from error
    if kind.hasobject:
        raise Damaged("an .npy file of Python objects, which only a pickle could read")
    size = len(content) - stream.tell()
    if any(length < 0 for length in shape) or prod(shape) > MOST or prod(shape) * kind.itemsize != size:
        raise Damaged(f"an .npy file that claims {shape} of {kind} and holds {size} bytes")
    found = np.frombuffer(content, kind, offset=stream.tell())
    return found.reshape(shape, order="F" if fortran else "C")


def _floats(values: Tensor) -> Tensor:
    return values.float()


def _rest(x: Tensor) -> Tensor:
    values = x.to(torch.float32)
    if not values.isfinite().all():
        raise ValueError("features are finite float32 numbers, got NaN or infinity")
    return values


def _encode(x: Tensor, form: Form) -> bytes:
    out = io.BytesIO()
    np.save(out, _rest(x).contiguous().numpy().astype("<f4"), allow_pickle=False)
    return out.getvalue()


def _decode(content: bytes, form: Form | None) -> Tensor:
    found = _array_of(content)
    if found.dtype != np.dtype("<f4") or (form is not None and found.shape != form.shape):
        raise Damaged(f"an array {found.shape} of {found.dtype}, not {form.shape if form else '(..., D)'} of float32")
    if not np.isfinite(found).all():
        raise Damaged("an array with NaN or infinity")
    return torch.from_numpy(found.astype(np.float32))


def _check(content: bytes, form: Form, *, quick: bool = False) -> None:
    _decode(content, form)


def _unit_of(values: Tensor) -> tuple[float, ...]:
    """The standard deviation of each feature over all frames that are not padding; 1 for one that never changes."""
    frames = values.reshape(-1, values.shape[-1]).double()
    spread = frames[(frames != 0).any(1)].std(0, correction=0).nan_to_num()
    return tuple(torch.where(spread > 0, spread, torch.ones_like(spread)).tolist())


features = Modality(
    extension="npy",
    kind="<f4",
    unit="standard deviations of the training samples",
    low=-inf,
    high=inf,
    take=_take,
    floats=_floats,
    rest=_rest,
    encode=_encode,
    decode=_decode,
    check=_check,
    unit_of=_unit_of,
    moved=furthest,
)
