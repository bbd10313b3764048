"""How far the whole gradient points where it pointed at the last sampled step. Training thread; waits for no device."""

from __future__ import annotations

import torch
from torch import Tensor

from tuimon.monitor.probe.flat import Chunk, stride

MOST_VALUES = 1 << 20  # of all gradients that are kept, 4 MiB; of larger models every k-th


class Direction:
    """Keeps a gradient from one sample to the next.

    Args:
        values: how many values all gradients have.
    """

    def __init__(self, values: int) -> None:
        self._every = stride(values, MOST_VALUES)
        self._now: list[Tensor] = []
        self._names: list[bytes] = []
        self._before: tuple[list[bytes], list[Tensor], list[Tensor]] = [], [], []

    def add(self, chunk: Chunk) -> None:
        """Notes a chunk of this sample's gradients."""
        flat, layout = chunk
        if layout.every.max() > 1.0:  # a tensor that is measured in part, at other places in each sample
            return
        if self._every > 1:
            flat = flat[:: self._every].clone()
        elif len(layout.keys) == 1:  # it may be the gradient itself
            flat = flat.clone()
        self._now.append(flat)
        self._names.append(layout.keys.tobytes() + layout.lengths.tobytes())

    def add_large(self, key: int, gradient: Tensor) -> None:
        """Notes the gradient of a parameter of which the chunks hold a part."""
        self._now.append(gradient.reshape(-1)[:: self._every].float())
        self._names.append(b"%d" % key)

    def take(self) -> list[Tensor]:
        """[3] for each chunk: the product with the last sample's, the square of this one's, that of the last one's.

        None where there was no sample before, or other parameters had a gradient.
        """
        names, values = self._names, self._now
        self._names, self._now = [], []
        squares = [torch.dot(one, one) for one in values]
        known, before, before_squares = self._before
        self._before = names, values, squares
        if known != names:
            return []
        products = [torch.dot(one, other) for one, other in zip(values, before, strict=True)]
        return [torch.stack(three) for three in zip(products, squares, before_squares, strict=True)]

    def drop(self) -> None:
        """Gives up what is kept."""
        self._now, self._names, self._before = [], [], ([], [], [])
