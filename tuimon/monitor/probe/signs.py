"""Counts how many of the values that activations get are negative, of a subset of large ones. Training thread.

On a CPU at once, for nobody else keeps what a layer puts out before its activation; on another device together, when the
forward pass ends. Of many layers some have their turn in each sample.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tuimon.monitor.probe.entries import Negative
from tuimon.monitor.probe.flat import local
from tuimon.monitor.probe.found import Found
from tuimon.monitor.probe.stacked import few

Owners = tuple[int, ...]

_AT_ONCE = 64  # activations that are looked at in one sample


class Signs:
    """Collects the counts of one sample."""

    def __init__(self) -> None:
        self._counts: dict[Owners, tuple[int, int]] = {}  # negative values, of how many
        self._held: list[tuple[Owners, Tensor, bool]] = []
        self._found: list[Found] = []
        self._calls, self._rounds = 0, 1  # of this sample; samples until each activation had its turn

    def forget(self) -> None:
        """Gives up what was counted."""
        self._counts, self._held, self._found = {}, [], []

    def saw(self, owners: Owners, activation: nn.Module, inputs: Any, output: Tensor, turn: int) -> int:
        """Notes what an activation got.

        Where its output has overwritten that, the output tells the sign, but zero of ReLU stands for all that is not positive.

        Args:
            owners: the layers that it counts for.
            activation: the module.
            inputs: its positional arguments.
            output: what it put out.
            turn: which values of a large input are looked at.

        Returns:
            How many bytes are kept for that until `count`.
        """
        self._calls += 1
        if self._rounds > 1 and (self._calls + turn) % self._rounds:
            return 0
        given = inputs[0] if isinstance(inputs, tuple) and inputs else None
        if not isinstance(given, Tensor) or given.numel() != output.numel():
            return 0
        below = given.data_ptr() == output.data_ptr() and type(activation) in (nn.ReLU, nn.ReLU6)
        values = few(local(given.detach()), turn)
        if not values.is_cpu:
            self._held.append((owners, values, below))
            return given.numel() * given.element_size()
        array = values.numpy() if values.dtype in (torch.float32, torch.float64) else values.float().numpy()
        negative, seen = self._counts.get(owners, (0, 0))
        self._counts[owners] = negative + int(np.count_nonzero(array <= 0 if below else array < 0)), seen + array.size
        return 0

    def count(self) -> None:
        """Counts what is kept."""
        groups: dict[Any, list[tuple[Owners, Tensor]]] = defaultdict(list)
        for owners, values, below in self._held:
            groups[values.shape, values.dtype, values.device, below].append((owners, values))
        self._held = []
        for (*_, below), group in groups.items():
            stacked = torch.stack([values for _, values in group])
            counts = (stacked <= 0 if below else stacked < 0).sum(1)
            self._found.append(Found([counts], partial(_negative, [owners for owners, _ in group], stacked.shape[1])))

    def take(self) -> list[Found]:
        """`Negative` of all that was counted."""
        self.count()
        found, counts = self._found, self._counts
        self._calls, self._rounds = 0, -(-self._calls // _AT_ONCE)
        self.forget()
        if counts:
            entry = Negative(list(counts), [count for count, _ in counts.values()], [seen for _, seen in counts.values()])
            found.append(Found((), lambda: [entry]))
        return found


def _negative(owners: Sequence[Owners], seen: int, counts: Any) -> Iterator[Negative]:
    yield Negative(owners, counts.tolist(), [seen] * len(owners))
