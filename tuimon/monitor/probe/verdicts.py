"""Which units are dead, and which are saturated: units of all layers together, one sample after the other.

A unit is dead that was silent in each sample of a whole window: every parameter of it had exactly zero gradient and, where its
activation was seen, its output was zero. Arrays on the host; on the thread that writes the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.monitor.probe.entries import Array, Gradients, UnitOutputs
from tuimon.monitor.probe.units import SHARE

WINDOW = 4  # sampled steps in a row over which a unit must be silent to be called dead

Flags = NDArray[np.bool_]


class Verdict(NamedTuple):
    """What is known of the units after a sample.

    Attributes:
        known: [layers] the numbers of the layers that were watched for a whole window.
        dead: [layers] how many of the units of each are dead.
        named: by layer with dead units, the numbers of these.
    """

    known: Array
    dead: Array
    named: dict[int, list[int]]


class Verdicts:
    """Judges the units of the same layers, sample by sample.

    Args:
        units: how many units each layer has.
        judges: of each layer, the keys of the parameters whose zero gradients make its units silent.
    """

    def __init__(self, units: Sequence[int], judges: Sequence[Sequence[int]]) -> None:
        self._units = np.array(units, dtype=np.int64)
        self._starts = np.cumsum(self._units) - self._units
        self._owners = np.repeat(np.arange(len(units)), self._units)  # of all units
        pairs = [(owner, key) for owner, keys in enumerate(judges) for key in keys]
        self._judged, self._keys = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
        self._streaks = np.zeros(len(self._owners), dtype=np.int64)  # for how many samples each unit is silent
        self._samples = np.zeros(len(units), dtype=np.int64)  # for how many each layer is watched

    def judge(self, gradients: Sequence[Gradients], outputs: Sequence[UnitOutputs]) -> Verdict:
        """Takes in a sample; `gradients` come in the order of their parameters' keys."""
        seen, silent = self._without_gradient(gradients)
        for one in outputs:
            silent[self._places(one)[one.zero == 0]] = False
        self._streaks = (self._streaks + 1) * silent
        self._samples = (self._samples + 1) * seen
        dead = np.flatnonzero(self._streaks >= WINDOW)
        owners = self._owners[dead]
        counts = np.bincount(owners, minlength=len(self._units))
        known, there, numbers = np.flatnonzero(self._samples >= WINDOW), np.flatnonzero(counts), dead - self._starts[owners]
        ends = np.cumsum(counts[there]).tolist()
        named = {
            owner: numbers[begin:end].tolist() for owner, begin, end in zip(there.tolist(), [0, *ends], ends, strict=False)
        }
        return Verdict(known, counts[known], named)

    def saturated(self, outputs: Sequence[UnitOutputs]) -> tuple[Array, Array]:
        """The layers whose activation has asymptotes; the share of their units that are near one in nearly all of a sample."""
        near, samples = np.zeros(len(self._owners)), np.zeros(len(self._units))
        for one in outputs:
            if one.near is not None:
                np.add.at(near, self._places(one).reshape(-1), one.near.reshape(-1).astype(np.float64))
                np.add.at(samples, np.array(one.owners), one.samples)
        there = np.flatnonzero(samples)
        stuck = near > SHARE * samples[self._owners]
        return there, np.bincount(self._owners[stuck], minlength=len(self._units))[there] / self._units[there]

    def _places(self, outputs: UnitOutputs) -> Array:
        """[outputs, units] which of all units each is."""
        places: Array = self._starts[outputs.owners][:, None] + np.arange(outputs.zero.shape[1])
        return places

    def _without_gradient(self, gradients: Sequence[Gradients]) -> tuple[Flags, Flags]:
        """[layers] whether a layer's units can be judged; [units] whether all gradients of each are exactly zero."""
        seen, silent = np.zeros(len(self._units), dtype=bool), np.zeros(len(self._owners), dtype=bool)
        if not (gradients and len(self._keys)):
            return seen, silent
        keys, rows = (np.concatenate([getattr(one.layout, name) for one in gradients]) for name in ("keys", "rows"))
        counts = np.bincount(keys, rows, minlength=self._keys.max() + 1).astype(np.int64)
        begins = np.cumsum(counts) - counts
        whole = counts[self._keys] == self._units[self._judged]  # all of the parameter has a gradient, with a row for each unit
        owners, keys = self._judged[whole], self._keys[whole]
        places = _ranges(self._starts[owners], self._units[owners])
        zero = np.concatenate([one.zero for one in gradients])[_ranges(begins[keys], self._units[owners])]
        seen[owners], silent[places] = True, True
        silent[places[zero == 0]] = False
        return seen, silent


def _ranges(starts: Array, lengths: Array) -> Array:
    """The numbers from each start on, as many as its length, one range after the other."""
    before = np.cumsum(lengths) - lengths
    return np.repeat(starts - before, lengths) + np.arange(lengths.sum())
