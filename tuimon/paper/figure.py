"""Draws with plotext 6, and is the only module that knows it. Everything else hands over numbers, marks and ticks.

plotext keeps one figure for the whole process: for one thread. It asks the terminal nothing here: sizes, limits and ticks are
given, colours are chosen by name among the terminal's sixteen, and the canvas keeps the terminal's own background.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tuimon.base.errors import TuimonError
from tuimon.paper.ink import Ink

BRAILLE = "braille"  # a mark of 2 × 4 dots a cell
COLOURS = ("cyan", "magenta", "green", "red", "orange", "blue")  # legible on light and dark backgrounds alike
_MARKS = (BRAILLE, "•", "×", "o", "+", "▪")
_ASCII_MARKS = ("*", "o", "x", "+", "#", "@")
_TO_ASCII = str.maketrans("┌┐└┘├┤┬┴┼─│█╷╵╴╶", "+++++++++-|#||--")
_SHADES = " ░▒▓█"
_ASCII_SHADES = " .:*#"

Tick = tuple[float, str]
Range = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """A plot's size in cells, with axes and tick labels, its ranges, and its ticks."""

    width: int
    height: int
    x_range: Range = (0.0, 1.0)
    y_range: Range = (0.0, 1.0)
    x_ticks: Sequence[Tick] = ()
    y_ticks: Sequence[Tick] = ()


@dataclass(frozen=True)
class Line:
    """A curve of a plot: points in order; NaN in `ys` breaks it. `place` is its number, by which it gets mark and colour."""

    xs: Sequence[float]
    ys: Sequence[float]
    place: int = 0


def mark_of(place: int, ink: Ink) -> str:
    """The character that a curve is drawn with."""
    marks = _ASCII_MARKS if ink.ascii else _MARKS
    return marks[place % len(marks)]


def sample_of(place: int, ink: Ink) -> str:
    """How a curve looks, for a legend; with its colour."""
    mark = mark_of(place, ink)
    return painted("⠤⠤" if mark == BRAILLE else 2 * mark, place, ink)


def painted(text: str, place: int, ink: Ink) -> str:
    """The text in a curve's colour."""
    if not ink.colour:
        return text
    plotext = _plotext()
    return str(plotext.colorize(text).fill(COLOURS[place % len(COLOURS)]).string())


def dots_per_cell(place: int, ink: Ink) -> int:
    """Dots from left to right in a cell of this curve."""
    return 2 if mark_of(place, ink) == BRAILLE else 1


def lines(curves: Sequence[Line], frame: Frame, ink: Ink) -> list[str]:
    """Curves within the frame; rows of text. Those of few points are in front, or a noisy one would hide them."""
    figure = _begin(frame)
    for curve in sorted(curves, key=lambda curve: (-len(curve.xs), -curve.place)):
        _draw_line(figure, curve, ink)
    return _rows(figure, ink)


def bars(values: Sequence[float], frame: Frame, ink: Ink, place: int = 0, *, upright: bool = True) -> list[str]:
    """Bars from zero at 1, 2, 3, …: upright ones along x, others along y. What is not finite has none."""
    figure = _begin(frame)
    known = [(at, value) for at, value in enumerate(values, 1) if math.isfinite(value)]
    if known:
        marker = _marker("#" if ink.ascii else "█", place, ink)
        orientation = "vertical" if upright else "horizontal"
        places, heights = map(list, zip(*known, strict=True))
        width = 0.8 if upright else 0.01  # a bar that lies is one row high, whatever its neighbours
        figure.draw(figure.bar(places, heights, marker=marker, orientation=orientation, width=width, _reset_ticks=False))
    return _rows(figure, ink)


def boxes(summaries: Sequence[Sequence[float]], frame: Frame, ink: Ink) -> list[str]:
    """A lying box at each y of 1, 2, 3, …: lowest value, quartile, median, quartile, highest; none if one is not finite."""
    figure = _begin(frame)
    box, whisker, median = ("=", "-", "|") if ink.ascii else ("▒", "─", "┃")
    for at, summary in enumerate(summaries, 1):
        if all(map(math.isfinite, summary)):
            low, first, middle, third, high = summary
            for xs, mark in (((low, high), whisker), ((first, third), box), ((middle, middle), median)):
                figure.draw(figure.segment(xs, (at, at), marker=_marker(mark, 0, ink)).density("full"))
    return _rows(figure, ink)


def shaded(table: Sequence[Sequence[float]], ink: Ink, cell: int = 1) -> list[str]:
    """A table of shares in [0, 1] as shades, `cell` columns each, the first row on top; NaN is empty."""
    if not table or not table[0]:
        return []
    rows, columns = len(table), len(table[0])
    figure = _begin(Frame(columns * cell, rows, (0.5, columns * cell + 0.5), (0.5, rows + 0.5)))
    figure.axes(False)
    shades = _ASCII_SHADES if ink.ascii else _SHADES
    for y, row in enumerate(table):
        marks = [_marker(shades[_shade(share, len(shades))], 0, ink) for share in row for _ in range(cell)]
        xs = list(range(1, columns * cell + 1))
        figure.draw(figure.signal(xs, [rows - y] * len(xs), marker=marks))
    return _rows(figure, ink)


def _shade(share: float, shades: int) -> int:
    if not share > 0:
        return 0
    return min(1 + int(share * (shades - 1)), shades - 1)


def _plotext() -> Any:
    """The library; an error in words where it cannot be loaded, for it has a compiled part."""
    try:
        import plotext
    except (ImportError, OSError) as error:
        reason = " ".join(str(error).split())
        raise TuimonError(f"Cannot draw charts here: {reason}", "pip install --force-reinstall 'plotext>=6,<7'") from None
    return plotext


def _begin(frame: Frame) -> Any:
    """The process's figure, empty, with this frame."""
    plotext = _plotext()
    plotext.terminal.limit(False, False)  # a pipe or a file may be larger than the terminal
    figure = plotext.figure
    figure.clear.all()
    figure.theme("colorless")
    figure.canvas("default")
    figure.plot_size(frame.width, frame.height)
    figure.axes(False, axis="x", side="upper")
    figure.axes(False, axis="y", side="right")
    for axis, limits, ticks in (("x", frame.x_range, frame.x_ticks), ("y", frame.y_range, frame.y_ticks)):
        ruler = figure.ruler(axis)
        ruler.lim(*limits)
        ruler.ticks([value for value, _ in ticks], [label for _, label in ticks])
    return figure


def _draw_line(figure: Any, curve: Line, ink: Ink) -> None:
    points = [(x, y, index) for index, (x, y) in enumerate(zip(curve.xs, curve.ys, strict=True)) if not math.isnan(y)]
    if not points:
        return
    marker = _marker(mark_of(curve.place, ink), curve.place, ink)
    signal = figure.signal([x for x, _, _ in points], [y for _, y, _ in points], marker=marker).lines(True)
    for index in range(1, len(points)):
        if points[index][2] != points[index - 1][2] + 1:  # a NaN between them
            signal.line(index, False)
    figure.draw(signal)


def _marker(mark: str, place: int, ink: Ink) -> Any:
    plotext = _plotext()
    return plotext.marker(mark, COLOURS[place % len(COLOURS)] if ink.colour else None)


def _rows(figure: Any, ink: Ink) -> list[str]:
    text = str(figure.build().string(colorless=not ink.colour))
    if ink.ascii:
        text = text.translate(_TO_ASCII)
    return [row.rstrip() for row in text.rstrip("\n").split("\n")]
