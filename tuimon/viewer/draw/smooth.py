"""Exponential moving average as in TensorBoard, updated as points arrive.

Debiased (the first value is not pulled to zero). Ignores NaN and infinity, which stay where they are.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from tuimon.viewer.draw.growing import Growing

_BLOCK = 64


class Smoother:
    """Smooths one growing series; each point is processed once.

    Args:
        weight: in [0, 1); the share of the past kept at each point. TensorBoard's default is 0.6.
    """

    def __init__(self, weight: float) -> None:
        if not 0 <= weight < 1:
            raise ValueError(f"smoothing must be in [0, 1), not {weight}")
        self.weight = weight
        self._average = 0.0
        self._finite = 0
        self._out = Growing(np.float32)

    def extend(self, values: NDArray[np.floating]) -> NDArray[np.float32]:
        """The smoothed series for `values` [n], which must begin with the values of earlier calls."""
        fresh = np.asarray(values[len(self._out) :], np.float64)
        if len(fresh):
            self._out.append(self._smooth(fresh))
        return self._out.view()

    def _smooth(self, fresh: NDArray[np.float64]) -> NDArray[np.float64]:
        finite = np.isfinite(fresh)
        kept = fresh[finite]
        averages = _moving_average(kept, self.weight, self._average)
        ages = np.arange(self._finite + 1, self._finite + len(kept) + 1)
        if len(kept):
            self._average = float(averages[-1])
            self._finite += len(kept)
        out = fresh.copy()
        out[finite] = averages / (1 - self.weight**ages)
        return out


def _moving_average(values: NDArray[np.float64], weight: float, start: float) -> NDArray[np.float64]:
    """y[i] = weight·y[i-1] + (1-weight)·values[i], block by block: a matrix product in each, one number carried over."""
    blocks = -(-len(values) // _BLOCK)
    padded = np.zeros(blocks * _BLOCK)
    padded[: len(values)] = values
    within = padded.reshape(blocks, _BLOCK) @ _kernel(weight)
    carried = np.empty(blocks)
    for block, last in enumerate(within[:, -1]):
        carried[block] = start
        start = weight**_BLOCK * start + last
    decay = weight ** np.arange(1, _BLOCK + 1)
    out: NDArray[np.float64] = (within + carried[:, None] * decay).reshape(-1)[: len(values)]
    return out


@functools.lru_cache(maxsize=8)
def _kernel(weight: float) -> NDArray[np.float64]:
    age = np.arange(_BLOCK)[None, :] - np.arange(_BLOCK)[:, None]
    return np.where(age >= 0, (1 - weight) * weight ** np.maximum(age, 0), 0.0)
