"""Examples as sequences, for models that read one position after the other."""

from __future__ import annotations

import math

from torch import Tensor


def rows(x: Tensor) -> Tensor:
    """A sequence [B, T, features]: the rows of an image [B, C, H, W], the values of a vector [B, D], or [B, T, F] as it is."""
    if x.ndim == 4:
        return x.transpose(1, 2).flatten(2)
    return x.unsqueeze(-1) if x.ndim == 2 else x


def rows_shape(shape: tuple[int, ...]) -> tuple[int, int]:
    """How many positions `rows` makes of one example of that shape, and how many numbers each has."""
    positions = shape[1] if len(shape) == 3 else shape[0]
    return positions, math.prod(shape) // positions
