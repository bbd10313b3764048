"""All statistics of the selected layer."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable

from tuimon.base import format
from tuimon.log.records import LayerInfo
from tuimon.log.store import Store
from tuimon.viewer.draw.activation import activation_rows
from tuimon.viewer.draw.meter import bar
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.draw.sparkline import sparkline
from tuimon.viewer.widgets.facts import dead_units
from tuimon.viewer.widgets.row_list import RowList

_COURSES = (("grad norm", "grad_norm"), ("weight norm", "weight_norm"), ("update ratio", "update_ratio"))
_LABEL = 13


class LayerDetail(RowList):
    """Norms with sparklines, the activations' range, and saturated and dead units with their indices."""

    TAKES = frozenset()

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.layer_name = ""
        self._lines: list[Row] = []
        self._lines_for: object = None

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "layer"

    def show_layer(self, name: str) -> None:
        """Shows another layer."""
        if name != self.layer_name:
            self.layer_name, self.top = name, 0
            self.border_title = name or "layer"
            self._seen = None
            if self.store:
                self.update_from(self.store)

    def watched(self, store: Store) -> Hashable:
        """The layer's samples."""
        norms = store.series.get(f"grad_norm/{self.layer_name}")
        ranges = store.series.get(f"activation_max/{self.layer_name}")
        return self.layer_name, norms.version if norms else 0, ranges.version if ranges else 0

    def take(self, store: Store) -> None:
        """Drops the lines drawn for the previous sample."""
        self._lines_for = None

    def count(self) -> int:
        """Rows that the statistics take."""
        return len(self._lines_at(self.size.width))

    def row(self, index: int, width: int) -> Row:
        """One line."""
        return self._lines_at(self.size.width)[index]

    def empty_text(self) -> str:
        """What will appear."""
        if not self.layer_name:
            return "Select a layer to see its activations, dead units and norms."
        return f"No statistics of {self.layer_name} yet."

    def _lines_at(self, width: int) -> list[Row]:
        key = (width, self._seen, self.ascii)
        if self.store is None or not self.layer_name:
            return []
        if key != self._lines_for:
            self._lines, self._lines_for = list(_lines(self.store, self.layer_name, max(width - 1, 10), self.ascii)), key
        return self._lines


def _lines(store: Store, name: str, width: int, ascii: bool) -> Iterable[Row]:
    declared = store.started.layers if store.started else ()
    info = next((layer for layer in declared if layer.name == name), None)
    if info:
        yield _line("type", _type(info, ascii))
    for label, tag in _COURSES:
        yield from _course(store, label, f"{tag}/{name}", width, ascii)
    low, high = store.last(f"activation_min/{name}"), store.last(f"activation_max/{name}")
    if not math.isnan(high):
        text = f"{format.number(low)} {'to' if ascii else '…'} {format.number(high)}"
        yield _line("activations", text if low <= high else format.missing(ascii))  # if all are NaN, there is no range
    saturated = store.last(f"saturated_fraction/{name}")
    if not math.isnan(saturated):
        yield _fraction("saturated", saturated, format.percent(saturated), width, ascii)
    yield from _dead(store, name, info, width, ascii)
    if info and info.activation:
        outputs = store.histograms.get(f"activation/{name}")
        counts = outputs.counts[-1].astype(float) if outputs is not None and len(outputs) else None
        yield from activation_rows(info.activation, counts, low, high, width, _LABEL, ascii)


def _type(info: LayerInfo, ascii: bool) -> str:
    parts = [info.type, f"{format.count(info.parameters)} parameters"]
    parts += [f"{format.count(info.units)} units"] if info.units else []
    parts += [info.activation] if info.activation else []
    parts += [] if info.trainable else ["frozen"]
    return (", " if ascii else " · ").join(parts)


def _course(store: Store, label: str, tag: str, width: int, ascii: bool) -> Iterable[Row]:
    series = store.series.get(tag)
    if series is None or not len(series):
        return
    style = "value" if math.isfinite(series.last) else "bad"
    value = format.number(series.last) + ("" if style == "value" else " !")
    room = min(width - _LABEL - 10, 40)
    course = sparkline(series.values[-4 * max(room, 0) :], room, ascii, log=True) if room >= 4 else ""
    yield [*_line(label, f"{value:<9} ", style), Span(course, "histogram")]


def _dead(store: Store, name: str, info: LayerInfo | None, width: int, ascii: bool) -> Iterable[Row]:
    count = store.last(f"dead_units/{name}")
    if math.isnan(count):
        return
    units = info.units if info else 0
    if units:
        text = f"{count:.0f} of {format.count(units)} units"
        yield _fraction("dead", count / units, text, width, ascii)
    which = dead_units(store, name) or []
    text = ""
    for unit in which:
        if len(text) + len(str(unit)) + 1 > width - _LABEL:
            yield _line("", text)
            text = ""
        text += f"{unit} "
    if text:
        yield _line("", text)


def _fraction(label: str, fraction: float, text: str, width: int, ascii: bool) -> Row:
    style = "bad" if fraction >= 0.5 else "warn" if fraction >= 0.1 else "value"
    mark = " !" if fraction >= 0.1 else ""
    room = width - _LABEL - len(text) - 4
    drawn = f"{bar(fraction, min(room, 20), ascii)} " if fraction and room >= 5 else ""
    return [Span(f"{label:<{_LABEL}}", "dim"), Span(drawn, style), Span(f"{text}{mark}", style)]


def _line(label: str, text: str, style: str = "value") -> Row:
    return [Span(f"{label:<{_LABEL}}", "dim"), Span(text, style)]
