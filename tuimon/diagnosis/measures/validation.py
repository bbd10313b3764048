"""How the validation loss has come along since its best, against its own noise and against the training loss.

In the loss's own unit. The best is the lowest mean of neighbours, so that one lucky validation is none; noise is the robust
scatter of single validations around their neighbours (see `progress`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuimon.diagnosis.measures.progress import scatter
from tuimon.diagnosis.trace import Floats, Steps, Trace, median

_LEAST = 4
_ALIKE = 2.0  # times each other at the first validation: losses of one unit, on data of one kind


@dataclass(frozen=True, slots=True)
class Validation:
    """The validation loss since its best.

    Attributes:
        count: validations so far.
        best: its lowest level.
        best_step: where that was.
        now: the level of the latest validations.
        rise: `now - best`.
        fall: how far it had fallen to the best, from the first validation; or from the first training loss, which shows where
            it was before, if both losses are alike.
        error: standard error of `rise`.
        after: validations since the best.
        training_falls: whether the training loss has fallen since, beyond noise.
    """

    count: int
    best: float
    best_step: int
    now: float
    rise: float
    fall: float
    error: float
    after: int
    training_falls: bool


def validation(trace: Trace | None, training: Trace | None) -> Validation | None:
    """Measures it; None with fewer than four finite validations, or without a training loss."""
    if trace is None or training is None:
        return None
    values, steps = _points(trace)
    if len(values) < _LEAST:
        return None
    smooth = np.convolve(np.pad(values, 1, mode="edge"), np.ones(3) / 3, mode="valid")
    at = int(np.argmin(smooth))
    window = min(3, len(values) - at)
    now = median(values[-window:])
    best, noise = float(smooth[at]), scatter(values)
    return Validation(
        count=trace.count,
        best=best,
        best_step=int(steps[at]),
        now=now,
        rise=now - best,
        fall=max(_beginning(training, values, steps) - best, 0.0),
        error=noise * math.sqrt(1 / 3 + 1 / window),
        after=len(values) - 1 - at,
        training_falls=_has_fallen(training, int(steps[at])),
    )


def _beginning(training: Trace, values: Floats, steps: Steps) -> float:
    first = float(values[0])
    head = training.head[np.isfinite(training.head)][:_LEAST]
    before = training.stretches[training.stretch_ends <= steps[0]]
    before = before[np.isfinite(before)]
    if not len(head) or not len(before) or not first > 0:
        return first
    alike = 1 / _ALIKE < float(np.median(before[-_LEAST:])) / first < _ALIKE
    return max(first, float(np.median(head))) if alike else first


def _points(trace: Trace) -> tuple[Floats, Steps]:
    """The finite validations and their steps: all of them, or the means of stretches of a very long run."""
    values, steps = (trace.recent, trace.recent_steps) if trace.count <= len(trace.recent) else _stretches(trace)
    finite = np.isfinite(values)
    return values[finite], steps[finite]


def _stretches(trace: Trace) -> tuple[Floats, Steps]:
    return trace.stretches, trace.stretch_ends


def _has_fallen(training: Trace, step: int) -> bool:
    """Whether the training loss is lower now than around a step, beyond noise."""
    values, ends = training.stretches, training.stretch_ends
    if len(values) < 2:
        return False
    at = int(np.searchsorted(ends, step))
    width = max(len(values) // 16, 2)
    then, now = values[max(0, at - width) : at + 1], values[-width:]
    then, now = then[np.isfinite(then)], now[np.isfinite(now)]
    if at >= len(values) - 1 or not len(then) or not len(now):
        return False
    noise = scatter(values)
    return median(then) - median(now) > 2 * noise * math.sqrt(1 / len(then) + 1 / len(now))
