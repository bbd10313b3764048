"""The numbers in a `TensorProto`, which TensorFlow 2 writes in place of plain scalars and histograms. Pure functions; numpy.

Sources: tensorflow/core/framework/{types,tensor}.proto.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class _Kind(NamedTuple):
    name: str
    content: str  # numpy's name of an element in `tensor_content`
    field: str  # where its elements stand otherwise


_BFLOAT16, _HALF = 14, 19
_KINDS = {
    1: _Kind("float", "<f4", "float_val"),
    2: _Kind("double", "<f8", "double_val"),
    3: _Kind("int32", "<i4", "int_val"),
    4: _Kind("uint8", "u1", "int_val"),
    5: _Kind("int16", "<i2", "int_val"),
    6: _Kind("int8", "i1", "int_val"),
    9: _Kind("int64", "<i8", "int64_val"),
    10: _Kind("bool", "?", "bool_val"),
    _BFLOAT16: _Kind("bfloat16", "<u2", "half_val"),
    17: _Kind("uint16", "<u2", "int_val"),
    _HALF: _Kind("half", "<u2", "half_val"),
    22: _Kind("uint32", "<u4", "uint32_val"),
    23: _Kind("uint64", "<u8", "uint64_val"),
}


class NotNumbersError(Exception):
    """A tensor does not hold what it should; the text says what it holds instead, for a user."""


def shape(tensor: Any) -> tuple[int, ...]:
    """The shape that the message states; () of a scalar."""
    return tuple(dim.size for dim in tensor.tensor_shape.dim)


def scalar(tensor: Any) -> float:
    """The number of a tensor that holds one, of whatever shape.

    Raises:
        NotNumbersError: it holds none, several, or one that is no number.
    """
    if math.prod(shape(tensor)) != 1:
        raise NotNumbersError(f"a tensor of shape {list(shape(tensor))}, not a single number")
    found = numbers(tensor)
    if len(found) > 1:
        raise NotNumbersError(f"{len(found)} numbers in a tensor of shape {list(shape(tensor))}")
    return float(found[0]) if len(found) else 0.0  # an element that is not written is zero


def numbers(tensor: Any) -> Floats:
    """The elements as they are written, flat, float64 [n].

    Raises:
        NotNumbersError: the elements are no real numbers, or cut off.
    """
    kind = _KINDS.get(tensor.dtype)
    if kind is None:
        raise NotNumbersError(f"a tensor of type {tensor.dtype}, which is no real number")
    if tensor.tensor_content:
        return _converted(tensor.dtype, _content(tensor.tensor_content, kind))
    listed = getattr(tensor, kind.field)
    if tensor.dtype in (_BFLOAT16, _HALF):
        return _converted(tensor.dtype, np.array(listed, np.int64).astype(np.uint16))
    return np.array(listed, np.float64)


def _content(content: bytes, kind: _Kind) -> npt.NDArray[Any]:
    size = np.dtype(kind.content).itemsize
    if len(content) % size:
        raise NotNumbersError(f"{len(content)} bytes of {kind.name}, which takes {size}")
    return np.frombuffer(content, kind.content)


@np.errstate(invalid="ignore")  # some bit patterns of NaN make a conversion warn
def _converted(dtype: int, elements: npt.NDArray[Any]) -> Floats:
    if dtype == _HALF:
        return elements.view("<f2").astype(np.float64)
    if dtype == _BFLOAT16:  # the upper half of a float32
        return (elements.astype(np.uint32) << np.uint32(16)).view("<f4").astype(np.float64)
    return elements.astype(np.float64)
