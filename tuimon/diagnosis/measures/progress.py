"""Whether a loss falls, against its own noise.

Levels are medians over windows that grow with the run, in the loss's own unit. Noise is the robust standard deviation of one
point, from the differences of neighbours (Hampel, JASA 69, 1974: 1.4826 · median absolute deviation), so that a trend does not
count as noise; and of the means of stretches, so that slow fluctuations do. A difference of two levels counts from `SURE`
standard errors on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuimon.diagnosis.trace import Floats, Trace, median

SURE = 3.0  # standard errors
_MAD = 1.4826
_MEDIAN_SE = 1.2533  # standard error of a median, in those of a mean, of normal values
_LEAST, _MOST = 5, 64  # points in a window
_SLOW = 48  # stretches that tell the slow fluctuations


@dataclass(frozen=True, slots=True)
class Progress:
    """How a loss has come along.

    Attributes:
        count: points so far.
        first: the first finite value.
        start: level of the first points.
        now: level of the latest points.
        best: the lowest level of any stretch.
        highest: the highest level of any stretch.
        noise: standard deviation of one point around the trend.
        error: standard error of `start - now`.
        recent: how much the last quarter of the run lies below the quarter before.
        recent_error: standard error of `recent`.
    """

    count: int
    first: float
    start: float
    now: float
    best: float
    highest: float
    noise: float
    error: float
    recent: float
    recent_error: float

    @property
    def gain(self) -> float:
        """How much the loss has fallen since the start."""
        return self.start - self.now

    @property
    def learns(self) -> bool:
        """Whether the loss lies below where it started, beyond noise."""
        return self.gain > SURE * self.error

    @property
    def worse(self) -> bool:
        """Whether the loss lies above where it started, beyond noise."""
        return self.gain < -SURE * self.error

    @property
    def falls(self) -> bool:
        """Whether the loss fell over the second half of the run, beyond noise."""
        return self.recent > 2 * self.recent_error

    @property
    def rises(self) -> bool:
        """Whether the loss rose over the second half of the run, beyond noise."""
        return self.recent < -SURE * self.recent_error

    @property
    def share(self) -> float:
        """Which part of the first loss is gone, in units of its absolute value: 1 is all of a loss whose least is zero."""
        return self.gain / abs(self.start) if self.start else math.nan


def progress(trace: Trace | None) -> Progress | None:
    """Measures a loss; None with fewer than 5 finite points at its start or its end."""
    if trace is None or trace.count < _LEAST:
        return None
    head, recent = _finite(trace.head), _finite(trace.recent)
    if len(head) < _LEAST or len(recent) < _LEAST:
        return None
    window = min(max(trace.count // 10, _LEAST), _MOST)
    some, late = head[:_LEAST], recent[-window:]  # the very first: a model may learn most within a tenth of the run
    noise, slow = scatter(recent), _slow_scatter(trace)
    stretches = trace.stretches
    known = stretches[np.isfinite(stretches)]
    quarter = max(len(known) // 4, 1)
    before, after = known[-2 * quarter : -quarter], known[-quarter:]
    points = quarter * trace.stride

    def error(count: int) -> float:
        return _MEDIAN_SE * max(noise, slow) / math.sqrt(count)

    return Progress(
        count=trace.count,
        first=float(head[0]),
        start=median(some),
        now=median(late),
        best=float(known.min()) if len(known) else math.nan,
        highest=float(known.max()) if len(known) else math.nan,
        noise=noise,
        error=math.hypot(_MEDIAN_SE * scatter(head) / math.sqrt(len(some)), error(len(late))),
        recent=median(before) - median(after) if len(before) else 0.0,
        recent_error=math.sqrt(2) * error(points),
    )


def _finite(values: Floats) -> Floats:
    return values[np.isfinite(values)]


def scatter(values: Floats) -> float:
    """Standard deviation of one point around a trend."""
    if len(values) < 3:
        return 0.0
    steps = values[1:] - values[:-1]
    return _MAD * median(np.abs(steps - median(steps))) / math.sqrt(2)


def _slow_scatter(trace: Trace) -> float:
    """The same from the means of stretches, in terms of one point."""
    if trace.stride == 1:
        return 0.0
    return scatter(_finite(trace.stretches)[-_SLOW:]) * math.sqrt(trace.stride)
