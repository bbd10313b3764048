"""The learning-rate range test of `check` as rows of text: loss by rate, with the rates that it suggests."""

from __future__ import annotations

import math

import numpy as np

from tuimon.paper import figure
from tuimon.paper.figure import Frame, Line
from tuimon.paper.ink import Ink, Size
from tuimon.training.report import Line as Check
from tuimon.viewer.draw import ticks
from tuimon.viewer.draw.rows import cut

ROWS = 14


def rates(check: Check, size: Size, ink: Ink) -> list[str]:
    """The plot of a check that has points: at most `size.rows` rows of at most `size.columns` cells.

    Losses that are not finite break the curve. How far it blows up does not matter, and is cut.
    """
    xs = [math.log10(rate) for rate, _ in check.points]
    ys = np.array([math.nan if loss is None else loss for _, loss in check.points])
    finite = ys[np.isfinite(ys)]
    if not len(finite):
        return [cut("loss by learning rate: no finite values", size.columns, ink.ascii)]
    low, first = float(finite.min()), float(finite[0])
    high = max(first + 0.5 * (first - low), low + 1e-6 * abs(low)) or 1.0
    y_ticks = [(tick.value, tick.label) for tick in ticks.linear(low, high, max(2, size.rows // 4))]
    frame = Frame(size.columns, size.rows - 1, (xs[0], xs[-1]), (low, high), _rate_ticks(xs[0], xs[-1]), y_ticks)
    curve = Line(xs, np.minimum(ys, high).tolist())
    marks = [Line([math.log10(rate)] * 2, [low, high], place) for place, (rate, _) in enumerate(check.marks, 1)]
    return [_head(check, size, ink), *figure.lines([curve, *marks], frame, ink)]


def _head(check: Check, size: Size, ink: Ink) -> str:
    """The legend; without colours where it would have to be cut."""
    texts = ["loss by learning rate", *(f"{label} {rate:.3g}" for rate, label in check.marks)]
    plain = "  ".join(texts)
    if len(plain) + 3 * len(texts) > size.columns:
        return cut(plain, size.columns, ink.ascii)
    return "  ".join(f"{figure.sample_of(place, ink)} {text}" for place, text in enumerate(texts))


def _rate_ticks(low: float, high: float) -> list[figure.Tick]:
    return [(float(power), f"1e{power}") for power in range(math.ceil(low), math.floor(high) + 1)]
