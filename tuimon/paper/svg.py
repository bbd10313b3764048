"""Curves of runs as an SVG page: for a README, an issue or a paper. Text and lines only, on any background. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple
from xml.sax.saxutils import escape

from tuimon.base.plain import one_line
from tuimon.log.store import Store
from tuimon.paper.figure import Range, Tick
from tuimon.paper.series import (
    Curve,
    Look,
    curves_of,
    path_of,
    pyramid_of,
    x_range_of,
    x_ticks_of,
    y_range_of,
    y_ticks_of,
)

_COLUMNS = 1440  # that a chart's width is reduced to: two a point
_WIDTH, _HEIGHT = 800, 400  # of one chart, with its labels
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 52, 36
_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito's: for all eyes
_DASHES = ("", "6 3", "2 3", "8 3 2 3")  # colour is not the only difference
_GREY = "#808080"
_ROOM = 1.0  # how much of the curves' own range a band may add at either side


class Mark(NamedTuple):
    """A step that is marked by a line across the chart, and a short label."""

    x: float
    label: str


class Band(NamedTuple):
    """A shaded box in a chart, in the units of its axes."""

    x_range: Range
    y_range: Range


class Notes(NamedTuple):
    """What is drawn behind the curves, and how finely these are."""

    marks: Sequence[Mark] = ()
    band: Band | None = None
    columns: int = _COLUMNS


_NOTHING = Notes()


def page(runs: Mapping[str, Store], charts: Mapping[str, Sequence[str]], look: Look = Look(), notes: Notes = _NOTHING) -> str:  # noqa: B008
    """One chart for each entry of `charts` (title: tags), below each other; those without a value left out."""
    drawn = [(title, curves_of(runs, tags, look)) for title, tags in charts.items()]
    return _page([(title, curves) for title, curves in drawn if curves], look, notes)


def closeup(store: Store, tag: str, x_range: Range, notes: Notes) -> str:
    """The values of one tag at some steps."""
    curves = []
    for curve in curves_of({"": store}, [tag], Look()):
        seen = (curve.xs >= x_range[0]) & (curve.xs <= x_range[1])
        if seen.any():
            curves.append(curve._replace(xs=curve.xs[seen], values=curve.values[seen], shown=curve.shown[seen]))
    return _page([(tag, curves)] if curves else [], Look(), notes)


def _page(drawn: Sequence[tuple[str, Sequence[Curve]]], look: Look, notes: Notes) -> str:
    body = "".join(_chart(title, curves, look, place * _HEIGHT, notes) for place, (title, curves) in enumerate(drawn))
    size = f'width="{_WIDTH}" height="{_HEIGHT * len(drawn)}" viewBox="0 0 {_WIDTH} {_HEIGHT * len(drawn)}"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12">\n{body}</svg>\n'


def _chart(title: str, curves: Sequence[Curve], look: Look, top: int, notes: Notes) -> str:
    x_range = x_range_of(curves)
    columns = [pyramid_of(curve, look.log).columns(*x_range, notes.columns) for curve in curves]
    said = f"{one_line(title)} by {look.axis}{', logarithmic' if look.log else ''}"
    parts = [_text(_LEFT, 20, said, size=14)]
    if any(math.isfinite(value) for one in columns for value in one.low):
        y_range, note = y_range_of(columns, look.log)
        y_range = _with(notes.band, y_range)
        parts += _axes(x_range, y_range, x_ticks_of(x_range, look.axis, 7), y_ticks_of(y_range, look.log, 6))
        parts += _behind(notes, x_range, y_range)
        for curve, one in zip(curves, columns, strict=True):
            parts.append(_line(*path_of(one, x_range, y_range), x_range, y_range, curve.place))
        parts += [_text(_LEFT, _HEIGHT - 4, note, fill=_GREY)] if note else []
    else:
        parts.append(_text(_LEFT, _TOP + 20, "no finite values", fill=_GREY))
    parts += _legend(curves)
    return f'<g transform="translate(0 {top})">\n' + "".join(parts) + "</g>\n"


def _with(band: Band | None, y_range: Range) -> Range:
    """The range with the band in it, unless that would flatten the curves."""
    if band is None:
        return y_range
    room = _ROOM * (y_range[1] - y_range[0])
    low, high = (min(max(value, y_range[0] - room), y_range[1] + room) for value in band.y_range)
    return min(low, y_range[0]), max(high, y_range[1])


def _behind(notes: Notes, x_range: Range, y_range: Range) -> list[str]:
    """The band, and marked steps; what lies outside the chart is left out."""
    parts = []
    if notes.band is not None:
        (left, right), (bottom, top) = (
            [_within(value, limits) for value in part] for part, limits in zip(notes.band, (x_range, y_range), strict=True)
        )
        x, y = _x(left, x_range), _y(top, y_range)
        size = f'width="{_x(right, x_range) - x:.1f}" height="{_y(bottom, y_range) - y:.1f}"'
        parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" {size} fill="{_GREY}" fill-opacity="0.3"/>\n')
    for at, label in notes.marks:
        if x_range[0] <= at <= x_range[1]:
            x = _x(at, x_range)
            parts.append(f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="{_GREY}" stroke-dasharray="4 4"/>\n')
            parts.append(_text(x + 3, _TOP + 12, one_line(label), fill=_GREY))
    return parts


def _within(value: float, limits: Range) -> float:
    return min(max(value, limits[0]), limits[1])


def _legend(curves: Sequence[Curve]) -> list[str]:
    parts, x = [], float(_LEFT)
    for curve in curves:
        name = curve.name or ""
        if not name or x + 30 + 7 * len(name) > _WIDTH:
            break
        parts.append(f'<path d="M{x:.0f} 36h20" {_stroke(curve.place)}/>\n')
        parts.append(_text(x + 26, 40, name))
        x += 40 + 7 * len(name)
    return parts


def _axes(x_range: Range, y_range: Range, x_ticks: Sequence[Tick], y_ticks: Sequence[Tick]) -> list[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    parts = [f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" fill="none" stroke="{_GREY}"/>\n']
    for value, label in y_ticks:
        y = _y(value, y_range)
        parts.append(f'<path d="M{_LEFT} {y:.1f}H{right}" stroke="{_GREY}" stroke-opacity="0.25"/>\n')
        parts.append(_text(_LEFT - 6, y + 4, label, anchor="end", fill=_GREY))
    for value, label in x_ticks:
        parts.append(_text(_x(value, x_range), bottom + 16, label, anchor="middle", fill=_GREY))
    return parts


def _line(xs: Sequence[float], ys: Sequence[float], x_range: Range, y_range: Range, place: int) -> str:
    """A path; it begins anew after each NaN."""
    steps, pen_is_up = [], True
    for x, y in zip(xs, ys, strict=True):
        if math.isnan(y):
            pen_is_up = True
            continue
        steps.append(f"{'M' if pen_is_up else 'L'}{_x(x, x_range):.1f} {_y(y, y_range):.1f}")
        pen_is_up = False
    return f'<path d="{"".join(steps)}" {_stroke(place)}/>\n'


def _stroke(place: int) -> str:
    dash = _DASHES[(place // len(_COLOURS) + place) % len(_DASHES)]
    dashes = f' stroke-dasharray="{dash}"' if dash else ""
    return f'fill="none" stroke="{_COLOURS[place % len(_COLOURS)]}" stroke-width="1.5" stroke-linecap="round"{dashes}'


def _text(x: float, y: float, text: str, anchor: str = "start", fill: str = "currentColor", size: int = 12) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}" font-size="{size}">{escape(text)}</text>\n'


def _x(value: float, x_range: Range) -> float:
    return _LEFT + (value - x_range[0]) / (x_range[1] - x_range[0]) * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, y_range: Range) -> float:
    return _HEIGHT - _BOTTOM - (value - y_range[0]) / (y_range[1] - y_range[0]) * (_HEIGHT - _TOP - _BOTTOM)
