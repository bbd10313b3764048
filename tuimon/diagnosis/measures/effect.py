"""Whether a loss came out better or worse after a change than its own trend before it would have had it.

An interrupted time series (Bernal, Cummins, Gasparrini, Int. J. Epidemiology 46, 2017): a line is fitted to the losses before
the change, and their level after it is compared with where that line leads. Losses bend: one that falls, falls ever slower, so
that the line leads too low, and its last level is too high; one that rises may rise faster, as the later half of the line
does. The loss without the change is expected between those three; only what lies outside all, beyond their noise, counts.

Losses of neighbouring steps resemble each other, so the test does not use single points: both sides are cut into batches of
equal length, of which the medians are used (batch means: Schmeiser, Operations Research 30, 1982; Student's t over a dozen of
them: Ibragimov and Müller, JBES 28, 2010). What correlation is left between neighbouring batches widens the band by
(1 + r) / (1 - r). Medians, since a single spike is no effect.

A run is looked at when 8, 16, 32, … losses have come since the change, up to as many as lie in the window before it. One-sided
error levels are 0.1 % at each of these looks and 0.5 % at the last (alpha spending as of Lan and DeMets, Biometrika 70, 1983).

Measured by `tests/benchmarks/bench_proof.py`. Simulated losses of 20 to 4,000 steps, falling, flat or rising, whose
neighbours correlate by 0 to 0.9: where nothing was changed, at most 2.8 % are told to have helped, and as many to have been
made worse. In 160 real runs, at four steps each where nothing was changed, it is 1.3 % of 636 verdicts on training losses
and 3.5 % of 432 on validation losses; most of these lie where over-fitting began or a plateau ended by itself, which no
single run can tell from an effect (`difference` can, by a twin). A step of four standard deviations is seen in 99 % of runs
of 400 losses (77 % where they correlate by 0.9), of one in 96 % of runs of 4,000 (23 %); with 20 losses in all, little but
a jump is seen. A rate that is raised from far too low, or to far too high, is seen in every one of 8 small trainings; one
that is lowered from a rate at which the loss wanders in 2 of 8: there, too, a twin tells more. A loss that rises ever
faster is taken for harm when it goes on doing so.

Pure functions; steps and losses are [n].
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Steps = NDArray[np.int64]
Verdict = Literal["helped", "no effect", "made it worse", "too early to say"]

BATCHES = 12  # of the window before
LEAST_BEFORE, LEAST_AFTER = 6, 3  # losses
_FIRST_LOOK = 8  # losses after the change; doubles from look to look
_EARLY, _LAST = 0.001, 0.005  # one-sided error levels
_MOST_CORRELATED = 0.8


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of a loss.

    Attributes:
        first: its first step.
        last: its last step.
        count: finite losses in it.
        level: their median, in the loss's unit; NaN without any.
    """

    first: int
    last: int
    count: int
    level: float


@dataclass(frozen=True, slots=True)
class Effect:
    """What a change did to a loss.

    Attributes:
        verdict: what can be said.
        before: the window that the trend is taken from.
        after: the window that is judged, up to the latest look.
        observed: the loss after the change: the mean of its batches' medians.
        expected: the least and the greatest loss that is expected there without the change; NaN where it was too early.
        band: the same, widened by the noise; outside it the change helped or did harm.
        why: what the verdict rests on where it does not rest on the band; else empty.
    """

    verdict: Verdict
    before: Window
    after: Window
    observed: float = math.nan
    expected: tuple[float, float] = (math.nan, math.nan)
    band: tuple[float, float] = (math.nan, math.nan)
    why: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line through batches: `level` at the time `centre`, and what its error is made of."""

    level: float
    slope: float
    centre: float
    spread: float  # sum of squared distances of the batches from the centre
    times: Floats
    residuals: Floats

    def at(self, time: float) -> float:
        return self.level + self.slope * (time - self.centre)

    def share(self, time: float) -> float:
        """The variance of `at(time)`, in that of one batch."""
        return 1 / len(self.residuals) + (time - self.centre) ** 2 / self.spread


def effect(steps: Steps, losses: Floats, at: int, *, since: int = -1, until: int | None = None, over: bool = False) -> Effect:
    """Judges a change.

    Args:
        steps: ascending.
        losses: may hold NaN and infinities.
        at: steps that were complete when the change took effect.
        since: steps after this one lie before the change; where the change before it was made.
        until: the last step that lies after it; None for all.
        over: no more losses will come after it.

    Returns:
        The effect. The window before is the later half of what lies before; the window after has as many losses at most.
    """
    earlier = (steps > since) & (steps <= at)
    later = (steps > at) & (steps <= (until if until is not None else np.iinfo(np.int64).max))
    before = _window(steps, losses, np.flatnonzero(earlier)[-max(int(earlier.sum()) // 2, LEAST_BEFORE) :], at)
    known = np.flatnonzero(later)
    if told := _not_finite(losses[earlier], losses[known]):
        return Effect(told, before, _window(steps, losses, known, at), why=_WHY_NOT_FINITE[told])
    after = known[np.isfinite(losses[known])]
    if before.count < LEAST_BEFORE:
        return Effect(
            "too early to say", before, _window(steps, losses, after, at), why=f"only {before.count} losses before it"
        )
    used = (steps >= before.first) & (steps <= at) & np.isfinite(losses)
    ended = over or until is not None
    found: Effect | None = None
    for size in _looks(len(after), before.count, ended):
        seen = after[:size]
        enough = size >= before.count or (ended and 2 * size >= before.count)
        window = _window(steps, losses, seen, at)
        found = _kept(found, _judged(before, window, (steps[used], losses[used]), (steps[seen], losses[seen]), at, enough))
    few = Effect("too early to say", before, _window(steps, losses, after, at), why=f"only {len(after)} losses after it")
    return found or few


def _kept(earlier: Effect | None, now: Effect) -> Effect:
    """What two looks say together: an effect that was seen stands while the loss stays on its side of what is expected."""
    if earlier is None or now.verdict in ("helped", "made it worse"):
        return now
    below = now.observed < sum(now.expected) / 2
    return earlier if earlier.verdict == ("helped" if below else "made it worse") else now


def _window(steps: Steps, losses: Floats, places: NDArray[np.intp], at: int) -> Window:
    finite = places[np.isfinite(losses[places])]
    if not len(finite):
        return Window(at, at, 0, math.nan)
    return Window(int(steps[finite[0]]), int(steps[finite[-1]]), len(finite), float(np.median(losses[finite])))


_WHY_NOT_FINITE = {"helped": "the loss is finite again", "made it worse": "the loss is not finite any more"}


def _not_finite(before: Floats, after: Floats) -> Verdict | None:
    """The verdict where losses that are not finite have come or gone; None where that does not tell."""
    if not len(before) or len(after) < LEAST_AFTER:
        return None
    good = np.isfinite(before[-LEAST_AFTER:]), np.isfinite(after[-LEAST_AFTER:])
    if good[0].any() and not good[1].any():
        return "made it worse"
    return "helped" if good[1].all() and not good[0].any() else None


def _looks(count: int, full: int, ended: bool) -> list[int]:
    """After how many losses since the change the run is looked at, of those that have come."""
    size = min(_FIRST_LOOK, full)
    looks = []
    while size < min(count, full):
        looks.append(size)
        size *= 2
    if count >= full or (ended and count >= LEAST_AFTER):
        looks.append(min(count, full))
    return looks


def _judged(
    before: Window, after: Window, earlier: tuple[Steps, Floats], later: tuple[Steps, Floats], at: int, enough: bool
) -> Effect:
    length = max(min(after.count, before.count // BATCHES), 1)
    line, since = _line(*earlier, length), _line(*later, length)
    freedom, variance = _variance(line, since)
    own = variance / len(since.residuals)
    width = student(freedom, _LAST if enough else _EARLY)
    error_now, error_then = (width * math.sqrt(own + variance * line.share(time)) for time in (float(at), since.centre))
    last, led = line.at(at), line.at(since.centre)
    bend = (_late_slope(line) - line.slope) * (since.centre - at)
    ends = [(last, error_now), (led, error_then), (led + bend, error_then)]
    expected = min(level for level, _ in ends), max(level for level, _ in ends)
    band = min(level - error for level, error in ends), max(level + error for level, error in ends)
    verdict: Verdict = "no effect" if enough else "too early to say"
    if since.level < band[0]:
        verdict = "helped"
    elif since.level > band[1]:
        verdict = "made it worse"
    return Effect(verdict, before, after, since.level, expected, band)


def _line(steps: Steps, losses: Floats, length: int) -> _Line:
    """The least-squares line through the medians of batches of about `length` losses each."""
    count = max(len(losses) // length, 1)
    levels = np.array([np.median(part) for part in np.array_split(losses, count)])
    times = np.array([part.mean() for part in np.array_split(steps, count)])
    centre = float(times.mean())
    spread = float(((times - centre) ** 2).sum()) or 1.0
    slope = float(((times - centre) * levels).sum()) / spread
    return _Line(float(levels.mean()), slope, centre, spread, times, levels - levels.mean() - slope * (times - centre))


def _late_slope(line: _Line) -> float:
    """The slope of the later half of the batches."""
    half = len(line.residuals) // 2
    times, residuals = line.times[half:], line.residuals[half:]
    centred = times - times.mean()
    return line.slope + float((centred * residuals).sum()) / (float((centred**2).sum()) or 1.0)


def _variance(*lines: _Line) -> tuple[int, float]:
    """Degrees of freedom, and the variance of one batch around the lines, widened where neighbours resemble each other."""
    some = [line.residuals for line in lines if len(line.residuals) > 2]
    squares = sum(float((one**2).sum()) for one in some)
    products = sum(float((one[1:] * one[:-1]).sum()) for one in some)
    count = sum(map(len, some))
    freedom = count - 2 * len(some)
    if not squares:
        return freedom, 0.0
    alike = min(max(products / squares + 2 * len(some) / count, 0.0), _MOST_CORRELATED)  # a fitted line takes 2 / n of it away
    return freedom, squares / freedom * (1 + alike) / (1 - alike)


def student(freedom: int, tail: float) -> float:
    """The value that Student's t exceeds with probability `tail` < 0.5 (Hill, Algorithm 396, CACM 13, 1970)."""
    both = 2 * tail
    if freedom == 1:
        return 1 / math.tan(both * math.pi / 2)
    if freedom == 2:
        return math.sqrt(2 / (both * (2 - both)) - 2)
    a = 1 / (freedom - 0.5)
    b = 48 / a**2
    c = ((20700 * a / b - 98) * a - 16) * a + 96.36
    d = ((94.5 / (b + c) - 3) / b + 1) * math.sqrt(a * math.pi / 2) * freedom
    y = (d * both) ** (2 / freedom)
    if y <= 0.05 + a:
        y = ((1 / (((freedom + 6) / (freedom * y) - 0.089 * d - 0.822) * (freedom + 2) * 3) + 0.5 / (freedom + 4)) * y - 1) * (
            freedom + 1
        ) / (freedom + 2) + 1 / y
        return math.sqrt(freedom * y)
    x = NormalDist().inv_cdf(tail)
    y = x * x
    if freedom < 5:
        c += 0.3 * (freedom - 4.5) * (x + 0.6)
    c = (((0.05 * d * x - 5) * x - 7) * x - 2) * x + b + c
    y = (((((0.4 * y + 6.3) * y + 36) * y + 94.5) / c - y - 3) / b + 1) * x
    y = math.expm1(a * y * y)
    return math.sqrt(freedom * y)
