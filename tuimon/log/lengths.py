"""Takes messages of the same length out of a buffer together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]


def by_length(lengths: Offsets) -> Iterator[Offsets]:
    """For each length, the indices of its messages, in order."""
    order = np.argsort(lengths, kind="stable")
    cuts = np.flatnonzero(np.diff(lengths[order])) + 1
    return (index for index in np.split(order, cuts) if len(index))


def cut(buffer: bytes, starts: Offsets, length: int) -> Bytes:
    """`length` bytes from each start on; [n, length]."""
    return np.lib.stride_tricks.sliding_window_view(np.frombuffer(buffer, np.uint8), length)[starts]
