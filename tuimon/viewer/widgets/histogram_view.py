"""A layer's gradients, activations, weights or updates over time, or those of all layers side by side."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from textual.binding import Binding, BindingType

from tuimon.log.series import HistogramSeries
from tuimon.log.store import Store
from tuimon.log.walls import elapsed
from tuimon.viewer.draw.curve import Options
from tuimon.viewer.draw.heat_map import HeatMap, key, over_layers, over_time
from tuimon.viewer.draw.rows import Row, Span, shorten
from tuimon.viewer.widgets.drawn import Drawn

Kind = Literal["gradient", "activation", "weight", "update"]
KINDS: tuple[Kind, ...] = ("gradient", "activation", "weight", "update")
_SIGNED = ("activation", "weight")


class HistogramView(Drawn, can_focus=True):
    """A heat map: each row is a power of two, each column a sample of one layer, or a layer with its latest sample."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("k", "next_kind", "Gradients, activations, weights or updates", show=False),
        Binding("K", "toggle_layers", "One layer over time, or all layers", show=False),
    ]

    def __init__(self, kind: Kind = "gradient", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.kind: Kind = kind
        self.layer_name = ""
        self.all_layers = False
        self._axis = Options(big=True)

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.entitle(self._title)

    @property
    def _title(self) -> str:
        between = " - " if self.is_attached and self.ascii else " · "
        return between.join(part for part in (self.kind, "all layers" if self.all_layers else self.layer_name) if part)

    def show_layer(self, name: str) -> None:
        """Shows another layer."""
        if name != self.layer_name:
            self.layer_name = name
            self._forget()

    def align(self, axis: Options) -> None:
        """Shows the x axis, range and cursor of a chart."""
        if axis != self._axis:
            self._axis = axis
            self.redraw()

    def action_next_kind(self) -> None:
        """Switches to the next of gradients, activations, weights and updates that the log has of any layer.

        Logs of earlier versions have neither weights nor updates.
        """
        logged = {tag.partition("/")[0] for tag in self.store.histograms} if self.store else set()
        after = KINDS.index(self.kind) + 1
        others = [kind for kind in (*KINDS[after:], *KINDS[: after - 1]) if kind in logged or kind in KINDS[:2]]
        self.kind = others[0]
        self._forget()

    def action_toggle_layers(self) -> None:
        """Switches between one layer over time and all layers side by side."""
        self.all_layers = not self.all_layers
        self._forget()

    def watched(self, store: Store) -> Hashable:
        """The samples of the layer, or of all."""
        return self.kind, self.all_layers, tuple((name, series.version) for name, series in self._shown(store))

    def draw(self, width: int, height: int) -> list[Row]:
        """The heat map, or a text saying what will appear; without a border, title and key are the first row."""
        framed = bool(self.styles.border_top[0]) or height < 2
        drawn = self._picture(width, height if framed else height - 1)
        told = key(drawn.darkest, self.ascii)
        self.subtitle(told if framed and len(told) < width - 2 else "")
        if framed:
            return drawn.rows
        title = shorten(self._title, width, self.ascii)
        room = width - len(title) - len(told)
        return [[Span(title, "title"), *([Span(" " * room), Span(told, "dim")] if room > 1 else [])], *drawn.rows]

    def _picture(self, width: int, height: int) -> HeatMap:
        shown = self._shown(self.store) if self.store else []
        return self._map(shown, width, height) if shown else HeatMap(self.nothing(self._empty_text(), width, height))

    def _map(self, shown: list[tuple[str, HistogramSeries]], width: int, height: int) -> HeatMap:
        signed = self.kind in _SIGNED
        if self.all_layers:
            latest = np.array([series.counts[-1] for _, series in shown])
            return over_layers(latest, [name for name, _ in shown], width, height, ascii=self.ascii, signed=signed)
        series = shown[0][1]
        return over_time(series.counts, self._xs(series), self._axis, width, height, ascii=self.ascii, signed=signed)

    def _xs(self, series: HistogramSeries) -> NDArray[Any]:
        if self._axis.x_axis == "time" and self.store:
            return elapsed(series.walls, self.store.first_wall)
        return series.steps

    def _shown(self, store: Store) -> list[tuple[str, HistogramSeries]]:
        """The layers to show that have samples, with these, in the model's order."""
        names = [self.layer_name]
        if self.all_layers:
            names = [layer.name for layer in store.started.layers] if store.started else []
            names = names or [tag.partition("/")[2] for tag in store.histograms if tag.startswith(f"{self.kind}/")]
        found = ((name, store.histograms.get(f"{self.kind}/{name}")) for name in names)
        return [(name, series) for name, series in found if series is not None and len(series)]

    def _forget(self) -> None:
        self._seen = None
        self.entitle(self._title)
        if self.store:
            self.update_from(self.store)

    def _empty_text(self) -> str:
        if self.all_layers:
            return f"No {self.kind} samples yet.\nEach layer becomes a column, dark where most values are."
        if not self.layer_name:
            return "Select a layer to see its histogram over time."
        return f"No {self.kind} samples of {self.layer_name} yet.\nEach sample becomes a column, dark where most values are."
