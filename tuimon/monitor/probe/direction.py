"""How far the whole gradient points where it pointed at the last sampled step. Training thread; waits for no device."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuimon.monitor.probe.entries import Products
from tuimon.monitor.probe.flat import Layout, stride
from tuimon.monitor.probe.found import Found

MOST_VALUES = 1 << 20  # of all gradients that are kept, 4 MiB; of larger models every k-th
_ROW = 1 << 11
_SMALLEST = 1e-30


class _Kept:
    """A part of a gradient, whose square the log's thread works out once."""

    def __init__(self, flat: Tensor) -> None:
        self.flat = flat
        self._square: float | None = None

    def square(self) -> float:
        """Of a part that lies on the host."""
        if self._square is None:
            array = self.flat.numpy()
            self._square = _product(array, array)
        return self._square


class Direction:
    """Keeps a gradient from one sample to the next.

    Args:
        values: how many values all gradients have.
    """

    def __init__(self, values: int) -> None:
        self._every = stride(values, MOST_VALUES)
        self._now: list[_Kept] = []
        self._names: list[bytes] = []
        self._before: tuple[list[bytes], list[_Kept]] = [], []

    @property
    def keeps_chunks(self) -> bool:
        """Whether chunks are kept as they are, so that they must have memory of their own."""
        return self._every == 1

    def add(self, flat: Tensor, layout: Layout) -> None:
        """Notes a chunk of this sample's gradients; where chunks are kept, nobody changes it any more."""
        if layout.every.max() > 1.0:  # a tensor that is measured in part, at other places in each sample
            return
        self._now.append(_Kept(flat[:: self._every].clone() if self._every > 1 else flat))
        self._names.append(layout.keys.tobytes() + layout.lengths.tobytes())

    def add_large(self, key: int, gradient: Tensor) -> None:
        """Notes the gradient of a parameter of which the chunks hold a part."""
        self._now.append(_Kept(gradient.reshape(-1)[:: self._every].float()))
        self._names.append(b"%d" % key)

    def take(self, wanted: bool = True) -> list[Found]:
        """`Products` with the last sample's gradient; none where there was no sample before, or others had a gradient.

        Nor where it is not wanted; the gradient is kept for the next sample all the same.
        """
        names, values = self._names, self._now
        self._names, self._now = [], []
        known, before = self._before
        self._before = names, values
        if not wanted or known != names:
            return []
        return [_together(one, other) for one, other in zip(values, before, strict=True)]

    def drop(self) -> None:
        """Gives up what is kept."""
        self._now, self._names, self._before = [], [], ([], [])


def _together(now: _Kept, before: _Kept) -> Found:
    if now.flat.is_cpu and before.flat.is_cpu:
        return Found((), lambda: [Products(_product(now.flat.numpy(), before.flat.numpy()), now.square(), before.square())])
    last = before.flat.to(now.flat.device)
    products = [torch.dot(one, other) for one, other in ((now.flat, last), (now.flat, now.flat), (last, last))]
    return Found([torch.stack(products)], lambda three: [Products(*three.tolist())])


def _product(one: Any, other: Any) -> float:
    """The inner product of two arrays, in rows that single precision sums well; in double where it is beyond its range."""
    whole = len(one) // _ROW * _ROW
    rows = np.einsum("ij,ij->i", one[:whole].reshape(-1, _ROW), other[:whole].reshape(-1, _ROW))
    product = float(rows.sum(dtype=np.float64)) + float(np.einsum("i,i", one[whole:], other[whole:]))
    small_or_large = not _SMALLEST < abs(product) < 1 / _SMALLEST
    return float(np.einsum("i,i", one, other, dtype=np.float64)) if small_or_large else product
