"""The layer table: one row per layer, as many columns as fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.base import format
from tuimon.viewer.draw.histogram import Exponents, histogram_line
from tuimon.viewer.draw.rows import Row, Span, cells, fit, shorten, width_of

Key = Literal["name", "type", "grad_norm", "gradient", "dead", "saturated", "update_ratio"]

WARN_FRACTION = 0.1
BAD_FRACTION = 0.5


@dataclass(frozen=True)
class Layer:
    """The table's values of one layer; NaN or None if not measured (yet).

    `gradient` holds the counts [BINS] of the latest gradient histogram; `dead_units` and `units` are counts, `saturated`
    is a fraction.
    """

    name: str
    type: str = ""
    grad_norm: float = math.nan
    gradient: NDArray[np.floating[Any]] | None = None
    dead_units: float = math.nan
    units: int = 0
    saturated: float = math.nan
    update_ratio: float = math.nan
    trainable: bool = True

    @property
    def dead_fraction(self) -> float:
        """Share of dead units in [0, 1]; NaN if the layer cannot have any."""
        return self.dead_units / self.units if self.units else math.nan

    @property
    def gradient_is_nan(self) -> bool:
        """Whether the gradient was measured (a histogram exists) and is NaN; the update ratio is NaN then, too."""
        return self.gradient is not None and math.isnan(self.grad_norm)


class Column(NamedTuple):
    """The position of a column in the table."""

    key: Key
    title: str
    start: int
    width: int


class _Spec(NamedTuple):
    key: Key
    title: str
    least: int
    most: int


_GAP = 2
_SPECS = (
    _Spec("name", "layer", 8, 40),
    _Spec("type", "type", 6, 14),
    _Spec("grad_norm", "grad norm", 9, 9),
    _Spec("gradient", "gradient", 9, 25),
    _Spec("dead", "dead", 9, 11),
    _Spec("saturated", "saturated", 9, 9),
    _Spec("update_ratio", "upd.ratio", 9, 9),
)
_IMPORTANCE: tuple[Key, ...] = ("name", "grad_norm", "dead", "gradient", "update_ratio", "saturated", "type")


def layer_columns(layers: Sequence[Layer], width: int) -> list[Column]:
    """The columns that fit in `width`: the least important are dropped first; names and histograms take the spare room."""
    kept = _kept(width)
    widths = {spec.key: spec.least for spec in kept}
    spare = width - sum(widths.values()) - _GAP * (len(kept) - 1)
    wishes = {
        "name": min(max((cells(layer.name) for layer in layers), default=0), 40),
        "type": min(max((len(layer.type) for layer in layers), default=0), 14),
        "dead": 11,
        "gradient": 25,
    }
    for key, most in wishes.items():
        spec = next((spec for spec in kept if spec.key == key), None)
        extra = min(max(most - spec.least, 0), max(spare, 0)) if spec else 0
        if spec and extra:
            widths[spec.key] += extra
            spare -= extra
    columns, start = [], 0
    for spec in kept:
        columns.append(Column(spec.key, spec.title, start, min(widths[spec.key], max(width, 0))))
        start += widths[spec.key] + _GAP
    return columns


def layer_header(columns: Sequence[Column], width: int, sort: Key | None = None, up: bool = False, ascii: bool = False) -> Row:
    """The titles; the sorted column has an arrow."""
    row: Row = []
    for column in columns:
        arrow = ("^" if up else "v") if ascii else ("▴" if up else "▾")
        title = column.title[: column.width - 1] + arrow if column.key == sort else column.title
        style = "header-sorted" if column.key == sort else "header"
        row += [*_pad(row, column.start), Span(_aligned(column.key, title, column.width, ascii), style)]
    return fit(row, width)


def layer_row(layer: Layer, columns: Sequence[Column], width: int, exponents: Exponents, ascii: bool = False) -> Row:
    """One layer. Alarming values are marked with `!`, not only by colour."""
    row: Row = []
    for column in columns:
        text, style = _cell(layer, column, exponents, ascii)
        row += [*_pad(row, column.start), Span(_aligned(column.key, text, column.width, ascii), style)]
    return fit(row, width)


def sorting_key(layer: Layer, key: Key) -> tuple[bool, float | str]:
    """The sort key of a row; values that were not measured come last."""
    if key in ("name", "type"):
        return False, layer.name if key == "name" else layer.type
    value = {
        "grad_norm": layer.grad_norm,
        "gradient": layer.grad_norm,
        "dead": layer.dead_fraction,
        "saturated": layer.saturated,
        "update_ratio": layer.update_ratio,
    }[key]
    return math.isnan(value), value


def _kept(width: int) -> list[_Spec]:
    by_key = {spec.key: spec for spec in _SPECS}
    kept: set[Key] = {"name"}
    used = by_key["name"].least
    for key in _IMPORTANCE[1:]:
        used += by_key[key].least + _GAP
        if used > width:
            break
        kept.add(key)
    return [spec for spec in _SPECS if spec.key in kept]


def _cell(layer: Layer, column: Column, exponents: Exponents, ascii: bool) -> tuple[str, str]:
    match column.key:
        case "name":
            return shorten(layer.name, column.width, ascii), "name"
        case "type":
            return shorten(layer.type, column.width, ascii), "dim"
        case "gradient":
            return histogram_line(layer.gradient, column.width - (column.width + 1) % 2, exponents, ascii), "histogram"
        case "dead":
            return _dead(layer, ascii)
        case "saturated":
            return _share(layer.saturated, ascii)
        case "grad_norm":
            return ("frozen", "dim") if not layer.trainable else _size(layer.grad_norm, layer.gradient is not None, ascii)
        case "update_ratio":
            return _size(layer.update_ratio, layer.gradient_is_nan, ascii)


def _size(value: float, measured: bool, ascii: bool) -> tuple[str, str]:
    """A number as text; NaN is shown as such only if it was `measured`."""
    if math.isnan(value) and not measured:
        return format.missing(ascii), "dim"
    text = format.scientific(value)
    return (text, "value") if math.isfinite(value) else (f"{text} !", "bad")


def _dead(layer: Layer, ascii: bool) -> tuple[str, str]:
    fraction = layer.dead_fraction
    if math.isnan(fraction):
        return format.missing(ascii) + "  ", "dim"
    mark, style = _alarm(fraction)
    return f"{layer.dead_units:.0f}/{layer.units} {mark}", style


def _share(fraction: float, ascii: bool) -> tuple[str, str]:
    if math.isnan(fraction):
        return format.missing(ascii) + "  ", "dim"
    mark, style = _alarm(fraction)
    return f"{format.percent(fraction)} {mark}", style


def _alarm(fraction: float) -> tuple[str, str]:
    if fraction >= BAD_FRACTION:
        return "!", "bad"
    return ("!", "warn") if fraction >= WARN_FRACTION else (" ", "value")


def _aligned(key: Key, text: str, width: int, ascii: bool) -> str:
    text = shorten(text, width, ascii)
    pad = " " * (width - cells(text))
    return text + pad if key in ("name", "type", "gradient") else pad + text


def _pad(row: Row, start: int) -> Row:
    used = width_of(row)
    return [Span(" " * (start - used))] if start > used else []
