"""Positions and labels of an axis's ticks."""

from __future__ import annotations

import math
from typing import NamedTuple

from tuimon.base import format

_CLOCK_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)


class Tick(NamedTuple):
    """A value on an axis (its log10 if the axis is logarithmic) and its label."""

    value: float
    label: str


def nice_step(span: float, parts: int) -> float:
    """The smallest of 1, 2, 5 times a power of ten that divides `span` into at most `parts` parts."""
    rough = span / max(parts, 1)
    if not (rough > 0 and math.isfinite(rough)):
        return 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    return next((m * power for m in (1, 2, 5) if m * power >= rough * (1 - 1e-9)), 10 * power)


def clock_step(span: float, parts: int) -> float:
    """Like `nice_step`, in the steps of a clock: seconds, minutes, hours, days."""
    rough = span / max(parts, 1)
    if rough < 1:
        return nice_step(span, parts)
    days = _CLOCK_STEPS[-1] * nice_step(span / _CLOCK_STEPS[-1], parts)
    return next((float(step) for step in _CLOCK_STEPS if step >= rough), days)


def linear(low: float, high: float, parts: int) -> list[Tick]:
    """Ticks at multiples of 1, 2 or 5 within [low, high]."""
    step = nice_step(high - low, parts)
    return [Tick(value, format.tick(value, step)) for value in _multiples(low, high, step)]


def decades(low: float, high: float, parts: int) -> list[Tick]:
    """Ticks for an axis of log10 values: whole decades, thinned to fit; within less than two decades also 2 and 5."""
    every = max(1, math.ceil((high - low) / max(parts, 1) - 1e-9))
    marks = [d for d in range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1) if d % every == 0]
    if len(marks) >= 2:
        return [Tick(float(d), _power(10.0**d)) for d in marks]
    whole = range(math.floor(low), math.ceil(high) + 1)
    values = [math.log10(m) + d for d in whole for m in (1, 2, 5)]
    ticks = [Tick(v, _power(10.0**v)) for v in values if low - 1e-9 <= v <= high + 1e-9]
    return ticks if len(ticks) >= 2 else _within(low, high, parts)


def steps(low: float, high: float, parts: int) -> list[Tick]:
    """Ticks of an axis of steps: integers with separated thousands; from 100 000 on with SI prefixes, if these differ."""
    step = max(1.0, nice_step(high - low, parts))
    label = format.si if high >= 1e5 and step >= 10 ** (math.floor(math.log10(high)) - 2) else format.count
    return [Tick(value, label(value)) for value in _multiples(low, high, step)]


def epochs(low: float, high: float, parts: int, steps_per_epoch: float) -> list[Tick]:
    """Ticks of an axis of steps, labelled in epochs."""
    found = linear(low / steps_per_epoch, high / steps_per_epoch, parts)
    return [Tick(tick.value * steps_per_epoch, tick.label) for tick in found]


def clock(low: float, high: float, parts: int) -> list[Tick]:
    """Ticks of an axis of elapsed seconds."""
    step = clock_step(high - low, parts)
    return [Tick(value, _time(value, step)) for value in _multiples(low, high, step)]


def snap(low: float, high: float, parts: int) -> tuple[float, float]:
    """The range widened to round numbers, so that a growing series rarely moves its axis."""
    step = nice_step(high - low, parts)
    return step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)


def _within(low: float, high: float, parts: int) -> list[Tick]:
    """Ticks within part of a decade that contains neither 1, 2 nor 5: their values are not round, but differ."""
    step = nice_step(high - low, parts)
    values = [(at, 10.0**at) for at in _multiples(low, high, step)]
    return [Tick(at, format.tick(value, value * (10.0**step - 1))) for at, value in values]


def _time(value: float, step: float) -> str:
    """The label of a clock tick; days and hours only if all ticks are hours apart."""
    if step < 1:
        return f"{format.tick(value, step)}s"
    return format.clock(value) if step < 3600 else format.duration(value)


def _multiples(low: float, high: float, step: float) -> list[float]:
    first, last = math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6)
    return [k * step for k in range(first, min(last, first + 200) + 1)]


def _power(value: float) -> str:
    return f"{value:.5g}" if 1e-3 <= value < 1e5 else format.scientific(value).replace(".0e", "e")
