"""The report before training as rows: one per check, long texts below it, and the plot of the learning-rate range test."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence

import numpy as np

from tuimon.training.report import Line, worst
from tuimon.viewer.draw.chart import draw_chart
from tuimon.viewer.draw.curve import Curve, Marker, Options
from tuimon.viewer.draw.pyramid import Pyramid
from tuimon.viewer.draw.rows import Row, Span

_STYLES = {"pass": "good", "warn": "warn", "fail": "bad"}
_NAME, _NUMBER = 38, 24
_INDENT = 6
_PLOT_ROWS, _PLOT_COLUMNS = 12, 100


def head_rows(name: str, width: int) -> list[Row]:
    """The report's heading."""
    return [[Span(f"{name}, before training"[:width], "name")]]


def line_rows(line: Line, width: int, ascii: bool = False) -> list[Row]:
    """One check of the report; the text of a passed check is dim."""
    style = _STYLES[line.verdict]
    row = [
        Span(line.verdict.ljust(_INDENT), style),
        Span(f"{line.check:<{_NAME - 2}}  "),
        Span(f"{line.number:<{_NUMBER - 2}}  ", "name"),
    ]
    used = sum(len(span.text) for span in row)
    told = "dim" if line.verdict == "pass" else ""
    text = line.text.translate(_TO_ASCII) if ascii else line.text
    if used + len(text) <= width:
        rows = [[*row, Span(text, told)]]
    elif line.verdict == "pass":
        rows = [row]
    else:
        below = textwrap.wrap(text, max(width - _INDENT - 2, 10))
        rows = [row, *([Span(" " * (_INDENT + 2)), Span(part, told)] for part in below)]
    return rows + (rates_rows(line, width, ascii) if line.points else [])


def total_row(lines: Sequence[Line]) -> Row:
    """The summary of the report."""
    counts = {verdict: sum(line.verdict == verdict for line in lines) for verdict in ("pass", "warn", "fail")}
    told = {
        "pass": "Ready to train.",
        "warn": "Look at the warnings before training.",
        "fail": "Fix the failures first.",
    }
    found = worst(lines)
    counted = ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
    return [Span(counted, _STYLES[found]), Span(f". {told[found]}")]


def rates_rows(line: Line, width: int, ascii: bool = False) -> list[Row]:
    """The learning-rate range test as a plot: loss over learning rate, with the marked rates."""
    points = [(math.log10(rate), math.nan if loss is None else loss) for rate, loss in line.points]
    xs, ys = (np.array(column) for column in zip(*points, strict=True))
    finite = ys[np.isfinite(ys)]
    top = finite[0] + 0.5 * (finite[0] - finite.min()) if len(finite) else math.nan  # how far it blows up does not matter
    pyramid = Pyramid()
    pyramid.extend(xs, np.minimum(ys, top).astype(np.float32))
    markers = tuple(Marker(math.log10(rate), text) for rate, text in line.marks)
    options = Options(x_axis="rate", x_range=(float(xs[0]), float(xs[-1])), markers=markers, legend=False)
    plot = draw_chart([Curve("", "train", pyramid)], options, min(width - _INDENT, _PLOT_COLUMNS), _PLOT_ROWS, ascii)
    return [[Span(" " * _INDENT), *row] for row in [[Span("loss by learning rate", "dim")], *plot.rows]]


_TO_ASCII = str.maketrans({"…": "-", "–": "-", "±": "+"})
