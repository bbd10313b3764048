"""Takes messages of the same length out of a buffer together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Offsets = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
_FEW = 32


def by_length(lengths: Offsets) -> Iterator[Offsets]:
    """For each length, the indices of its messages, in order."""
    order = np.argsort(lengths, kind="stable")
    cuts = (np.flatnonzero(np.diff(lengths[order])) + 1).tolist()
    return (order[begin:end] for begin, end in itertools.pairwise([0, *cuts, len(order)]) if begin < end)


def cut(buffer: bytes, starts: Offsets, length: int) -> Bytes:
    """`length` bytes from each start on; [n, length]."""
    if len(starts) <= _FEW:  # a live log grows by a few at a time: numpy's view alone would take longer
        pieces = b"".join([buffer[start : start + length] for start in starts.tolist()])
        return np.frombuffer(pieces, np.uint8).reshape(len(starts), length)
    return np.lib.stride_tricks.sliding_window_view(np.frombuffer(buffer, np.uint8), length)[starts]
