"""Converts examples to sequences, for models that read one position after the other."""

from __future__ import annotations

import math

from torch import Tensor


def rows(x: Tensor) -> Tensor:
    """A sequence [B, T, F] of the rows of images [B, C, H, W] or the values of vectors [B, D]; [B, T, F] stays unchanged."""
    if x.ndim == 4:
        return x.transpose(1, 2).flatten(2)
    return x.unsqueeze(-1) if x.ndim == 2 else x


def rows_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """The shape (T, F) that `rows` gives one example of the given shape."""
    positions = shape[1] if len(shape) == 3 else shape[0]
    return positions, math.prod(shape) // positions
