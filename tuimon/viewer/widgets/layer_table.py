"""The table of layers: gradients, dead and saturated units, and updates, from the latest sample."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar

import numpy as np
from textual.binding import Binding, BindingType
from textual.message import Message

from tuimon.base.filter import Filter
from tuimon.base.format import age
from tuimon.log.store import STALE_S, Store
from tuimon.viewer.draw.histogram import Exponents, exponent_range
from tuimon.viewer.draw.layers import Key, Layer, layer_columns, layer_header, layer_row, sorting_key
from tuimon.viewer.draw.rows import Row
from tuimon.viewer.filtered import Filtered, told
from tuimon.viewer.widgets.facts import layers
from tuimon.viewer.widgets.row_list import RowList

_SORTS: tuple[Key | None, ...] = (None, "name", "grad_norm", "dead", "saturated", "update_ratio")


class LayerTable(Filtered, RowList):
    """One row per layer; the cursor selects a layer."""

    TAKES = frozenset()
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("o", "next_sort", "Sort the layers by the next column", show=False),
        Binding("O", "reverse", "Reverse the order", show=False),
    ]
    has_cursor = True

    class LayerSelected(Message):
        """The cursor moved to a layer."""

        def __init__(self, table: LayerTable, layer: str) -> None:
            super().__init__()
            self.table = table
            self.layer = layer

        @property
        def control(self) -> LayerTable:
            """The table."""
            return self.table

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.selected = ""
        self._layers: list[Layer] = []
        self._exponents: Exponents = (-20, -1)
        self._sort: Key | None = None
        self._up = False

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "layers"

    def watched(self, store: Store) -> Hashable:
        """A sample updates all layer statistics at once, so the gradient norms' versions cover all of them."""
        norms = sum(series.version for tag, series in store.series.items() if tag.startswith(("grad_norm/", "dead_units/")))
        drawn = sum(series.version for series in store.histograms.values())
        return norms, drawn, id(store.started), _staleness(store)

    def take(self, store: Store) -> None:
        """Reads the latest sample; the selected layer stays selected when its row moves."""
        self._layers = self._filtered(layers(store))
        self.subtitle(_staleness(store))
        known = [layer.gradient for layer in self._layers if layer.gradient is not None]
        self._exponents = exponent_range(np.array(known)) if known else (-20, -1)
        self._order()
        if self._layers and not self.selected:
            self.select(self._layers[0].name)

    def count(self) -> int:
        """One row per layer."""
        return len(self._layers)

    def head(self, width: int) -> list[Row]:
        """The column titles."""
        return [layer_header(layer_columns(self._layers, width), width, self._sort, self._up, self.ascii)]

    def row(self, index: int, width: int) -> Row:
        """The row of one layer."""
        return layer_row(self._layers[index], layer_columns(self._layers, width), width, self._exponents, self.ascii)

    def empty_text(self) -> str:
        """What will appear."""
        return "No layers yet.\nThe first sample shows each layer's gradients, dead and saturated units, and updates."

    def select(self, name: str) -> None:
        """Moves the cursor to a layer; does nothing for an unknown name."""
        index = next((i for i, layer in enumerate(self._layers) if layer.name == name), None)
        if index is None or name == self.selected:
            return
        self._go(index)
        self.moved(index)

    def filter_by(self, text: str) -> str:
        """Shows only layers whose name or type matches; if none does, all. Returns what was found.

        Raises:
            FilterError: it contains a wrong regular expression.
        """
        self._filter = Filter(text)
        every = layers(self.store) if self.store else []
        found = self._filter.among(every, _searched)
        self._layers, self.top = self._filtered(every), 0
        self._order()
        self.redraw()
        return told(len(found), len(every), "layer")

    def _filtered(self, every: list[Layer]) -> list[Layer]:
        return self._filter.among(every, _searched) or every

    def sort_by(self, key: Key | None) -> None:
        """Sorts by a column, largest first (names from A to Z); None restores the model's order."""
        self._sort, self._up = key, key == "name"
        self._order()
        self.redraw()

    def action_next_sort(self) -> None:
        """Sorts by the next column, and after the last in the model's order."""
        self.sort_by(_SORTS[(_SORTS.index(self._sort) + 1) % len(_SORTS)] if self._sort in _SORTS else None)

    def action_reverse(self) -> None:
        """Reverses the order."""
        self._up = not self._up
        self._order()
        self.redraw()

    def moved(self, index: int) -> None:
        """Posts which layer is selected."""
        name = self._layers[index].name
        if name != self.selected:
            self.selected = name
            self.post_message(self.LayerSelected(self, name))

    def head_clicked(self, x: int) -> None:
        """Sorts by the clicked column; a second click reverses the order."""
        columns = layer_columns(self._layers, self.size.width)
        key = next((column.key for column in reversed(columns) if column.start <= x), None)
        if key == self._sort:
            self.action_reverse()
        else:
            self.sort_by(key)

    def _order(self) -> None:
        if self._sort is None:
            self._layers = self._filtered(layers(self.store) if self.store else [])
        else:
            self._layers = _sorted(self._layers, self._sort, self._up)
        self.cursor = next((i for i, layer in enumerate(self._layers) if layer.name == self.selected), 0)


def _searched(layer: Layer) -> str:
    return f"{layer.name} {layer.type}"


def _staleness(store: Store) -> str:
    """How old the latest sample is, once that matters: `12 s old`."""
    age_s = store.layers_age_s()
    return f"{age(age_s)} old" if age_s > STALE_S else ""


def _sorted(rows: list[Layer], key: Key, up: bool) -> list[Layer]:
    known = [layer for layer in rows if not sorting_key(layer, key)[0]]
    unknown = [layer for layer in rows if sorting_key(layer, key)[0]]
    return sorted(known, key=lambda layer: sorting_key(layer, key), reverse=not up) + unknown
