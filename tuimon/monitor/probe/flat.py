"""Lays the tensors of many layers end to end, so that they are measured together. Training thread.

A chunk is one flat float32 array of bounded size. Very large tensors are thinned: every k-th value is taken, from a place that
moves on with each sample, so that each value has its turn. A layout says which layer each part of a chunk belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

CHUNK = 1 << 17  # values of a chunk, which takes ten times as many bytes while it is measured
MOST = 1 << 22  # values of one tensor that are looked at; of a larger one every k-th
_MOST_PARTS = 512  # of a chunk: the counts of each take 4 KiB

_flatten = torch._C._nn.flatten_dense_tensors  # as torch._utils has it, without a wrapper


class Part(NamedTuple):
    """One tensor of a layer, or a piece of it.

    Attributes:
        owner: the layer's number.
        key: the parameter's number, among those of all layers.
        tensor: any shape and floating or complex dtype, dense, at least one value.
        rows: how many rows of one length it has, one for each unit; 1 where it is not judged by units.
        every: how many values of the parameter each of these stands for.
    """

    owner: int
    key: int
    tensor: Tensor
    rows: int = 1
    every: float = 1.0


class Layout(NamedTuple):
    """What lies where in a chunk: an entry for each part, in order. Arrays of one length; host memory.

    Attributes:
        owners: the layers' numbers.
        keys: the parameters' numbers.
        lengths: how many values each part has.
        rows: how many rows.
        every: how many values each value stands for.
    """

    owners: NDArray[np.int64]
    keys: NDArray[np.int64]
    lengths: NDArray[np.int64]
    rows: NDArray[np.int64]
    every: NDArray[np.float64]

    def row_lengths(self) -> NDArray[np.int64]:
        """The lengths of all rows, in order."""
        return np.repeat(self.lengths // self.rows, self.rows)


class Chunk(NamedTuple):
    """Parts that lie in one flat array.

    Attributes:
        flat: [n] float32, contiguous; a copy, unless it is one part alone.
        layout: what lies where.
    """

    flat: Tensor
    layout: Layout


def local(tensor: Tensor) -> Tensor:
    """What this process holds of a tensor that may be spread over several (DTensor): asking for all of it is for all of them.

    One process that asked alone would wait for the others, or receive what was meant for the training.
    """
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor


def plain(tensor: Tensor) -> Tensor:
    """The tensor, dense and real: of a sparse one the stored values, of a complex one both parts. Under `no_grad`."""
    if tensor.layout != torch.strided:
        tensor = tensor.coalesce().values()
    return torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor


def thinned(part: Part, every: int, turn: int) -> Part:
    """Every k-th value of a part, or of each of its rows, beginning at another one each turn."""
    size = part.tensor.numel()
    if every <= 1 or size < every * part.rows:
        return part
    values = part.tensor.reshape(part.rows, -1)[:, turn % every :: every]
    return part._replace(tensor=values, every=size / values.numel())


def stride(size: int, most: int = MOST) -> int:
    """How far apart the values lie that are taken, so that there are no more than `most`."""
    return -(-size // most)


def chunks(parts: Iterable[Part]) -> Iterator[Chunk]:
    """The parts in chunks, in their order as far as they are on one device. Under `no_grad`.

    A part that is larger than a chunk comes in pieces; one with rows is cut between two of them.
    """
    held, total, device = _Held(), 0, None
    for part in parts:
        size = part.tensor.numel()
        if held.sizes and (total + size > CHUNK or len(held.sizes) >= _MOST_PARTS or part.tensor.device != device):
            yield held.chunk()
            held, total = _Held(), 0
        if size > CHUNK:
            for piece in _pieces(part, size):
                alone = _Held()
                alone.add(piece, piece.tensor.numel())
                yield alone.chunk()
        elif size:
            held.add(part, size)
            total, device = total + size, part.tensor.device
    if held.sizes:
        yield held.chunk()


class _Held:
    """The parts of a chunk, as lists of numbers and of tensors that exist anyway.

    Thousands of `Part`s that are kept would call Python's collector again and again.
    """

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._tensors: list[Tensor] = []
        self._owners: list[int] = []
        self._keys: list[int] = []
        self._rows: list[int] = []
        self._every: list[float] = []

    def add(self, part: Part, size: int) -> None:
        self.sizes.append(size)
        self._tensors.append(part.tensor)
        self._owners.append(part.owner)
        self._keys.append(part.key)
        self._rows.append(part.rows)
        self._every.append(part.every)

    def chunk(self) -> Chunk:
        columns = (np.array(column) for column in (self._owners, self._keys, self.sizes, self._rows, self._every))
        return Chunk(_flatten(self._tensors).float(), Layout(*columns))


def _pieces(part: Part, size: int) -> Iterator[Part]:
    flat = part.tensor.reshape(-1)
    row = size // part.rows
    by_rows = part.rows > 1 and row <= CHUNK
    step = CHUNK // row * row if by_rows else CHUNK
    for start in range(0, size, step):
        piece = flat[start : start + step]
        yield part._replace(tensor=piece, rows=piece.numel() // row if by_rows else 1)
