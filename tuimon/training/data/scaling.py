"""Scaling of inputs: centers, scales or decorrelates them with statistics of the training split only.

So nothing of the validation split leaks into training. Statistics are computed in float64, a few thousand examples at a time,
so that large images do not need their memory several times over.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tuimon.training.data.raw import Floats

Doubles = npt.NDArray[np.float64]

_AT_ONCE = 4096  # examples
_NOTHING = 1e-10  # relative to the largest variance; directions below it only contain rounding errors


@dataclass(frozen=True)
class Preparation:
    """(inputs - shift) · turn * factor, in float64 on the CPU.

    `shift` and `factor` are [*shape] or a scalar; `turn` is [D, D] for flattened inputs, or None.
    """

    shift: Tensor
    factor: Tensor
    turn: Tensor | None = None

    def __call__(self, inputs: Tensor) -> Tensor:
        """Transforms inputs [N, *shape], in the dtype and on the device of `to`."""
        moved = inputs.to(self.shift.dtype) - self.shift
        if self.turn is not None:
            moved = (moved.flatten(1) @ self.turn).view(moved.shape)
        return moved * self.factor

    def undone(self, prepared: Tensor) -> Tensor:
        """What prepared inputs [N, *shape] were before; a direction without variance becomes its mean. Float32 on the CPU."""
        moved = prepared.to("cpu", self.factor.dtype)
        moved = moved * torch.where(self.factor == 0, 0.0, 1 / self.factor)
        if self.turn is not None:
            moved = (moved.flatten(1) @ self.turn.T).view(moved.shape)
        return (moved + self.shift).float()

    def to(self, device: torch.device, dtype: torch.dtype) -> Preparation:
        """The same preparation on another device and in another dtype."""
        turn = None if self.turn is None else self.turn.to(device, dtype)
        return replace(self, shift=self.shift.to(device, dtype), factor=self.factor.to(device, dtype), turn=turn)

    def whole(self, inputs: Floats) -> Tensor:
        """Transforms a whole split, computed in float64; returns float32 on the CPU."""
        prepared = torch.empty(inputs.shape, dtype=torch.float32)
        for place, some in zip(torch.split(prepared, _AT_ONCE), _chunks(inputs), strict=True):
            place.copy_(self(torch.from_numpy(some)))
        return prepared


def prepare(name: str, train: Floats) -> Preparation:
    """The named preparation, fitted to the training inputs [N, *shape]."""
    return PREPARATIONS[name](train)


def unscaled(train: Floats) -> Preparation:
    """Leaves inputs unchanged."""
    return _preparation(np.zeros(()), np.ones(()))


def center(train: Floats) -> Preparation:
    """Gives each input zero mean."""
    return _preparation(_mean(train), np.ones(()))


def zscore(train: Floats) -> Preparation:
    """Gives each input zero mean and unit variance.

    A constant input gets the factor 1: it becomes 0, and new values of it in validation stay small.
    """
    mean = _mean(train)
    variance = sum(np.square(some - mean).sum(axis=0) for some in _chunks(train)) / len(train)
    return _preparation(mean, _inverse(np.sqrt(variance)))


def minmax(train: Floats) -> Preparation:
    """Scales each input to the range 0 to 1; a constant input becomes 0."""
    low, high = train.min(axis=0).astype(np.float64), train.max(axis=0).astype(np.float64)
    return _preparation(low, _inverse(high - low))


def decimal(train: Floats) -> Preparation:
    """Divides each input by the smallest power of ten that brings all its absolute values below 1."""
    largest = np.abs(train).max(axis=0).astype(np.float64)
    exponent = np.floor(np.log10(np.where(largest > 0, largest, 0.1))) + 1
    return _preparation(np.zeros(()), 10.0**-exponent)


def whiten(train: Floats) -> Preparation:
    """Decorrelates inputs: rotates them to their principal components, the largest first, each with unit variance.

    The covariance of the result is the identity. Directions without variance become 0.
    """
    mean = _mean(train)
    covariance = sum(_products(some - mean) for some in _chunks(train)) / len(train)
    variances, directions = np.linalg.eigh(covariance)
    variances, directions = variances[::-1], directions[:, ::-1]
    extends = variances > _NOTHING * max(variances[0], np.finfo(np.float64).tiny)
    factor = np.where(extends, 1 / np.sqrt(np.where(extends, variances, 1)), 0)
    turn = torch.from_numpy(np.ascontiguousarray(directions))
    return replace(_preparation(mean, factor.reshape(mean.shape)), turn=turn)


PREPARATIONS: dict[str, Callable[[Floats], Preparation]] = {
    "none": unscaled, "center": center, "zscore": zscore, "minmax": minmax, "decimal": decimal, "whiten": whiten,
}  # fmt: skip


def _preparation(shift: Doubles, factor: Doubles) -> Preparation:
    return Preparation(torch.from_numpy(np.asarray(shift)), torch.from_numpy(np.asarray(factor)))


def _mean(train: Floats) -> Doubles:
    return train.mean(axis=0, dtype=np.float64)  # type: ignore[no-any-return]


def _inverse(extent: Doubles) -> Doubles:
    return 1 / np.where(extent > 0, extent, 1)


def _products(centered: Doubles) -> Doubles:
    flat = centered.reshape(len(centered), -1)
    return flat.T @ flat


def _chunks(values: Floats) -> Iterator[Floats]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
