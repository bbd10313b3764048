"""A layer's gradients or activations over time."""

from __future__ import annotations

from collections.abc import Hashable
from typing import ClassVar, Literal

from textual.binding import Binding, BindingType

from tuimon.log.store import Store
from tuimon.viewer.draw.histogram import SampleColumns, heat_map
from tuimon.viewer.draw.rows import Row, Span, shorten
from tuimon.viewer.widgets.drawn import Drawn

Kind = Literal["gradient", "activation"]


class HistogramView(Drawn, can_focus=True):
    """A heat map: each column is a sample, each row a power of two."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("k", "toggle_kind", "Gradients or activations", show=False)]

    def __init__(self, kind: Kind = "gradient", *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.kind: Kind = kind
        self.layer_name = ""
        self._kept = SampleColumns()
        self._kept_for: Hashable = None

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self._name_panel()

    @property
    def _title(self) -> str:
        between = " - " if self.is_attached and self.ascii else " · "
        return between.join(part for part in (self.kind, self.layer_name) if part)

    def show_layer(self, name: str) -> None:
        """Shows another layer."""
        if name != self.layer_name:
            self.layer_name = name
            self._forget()

    def action_toggle_kind(self) -> None:
        """Switches between gradients and activations."""
        self.kind = "activation" if self.kind == "gradient" else "gradient"
        self._forget()

    def watched(self, store: Store) -> Hashable:
        """The layer's samples."""
        series = store.histograms.get(self._tag)
        return self._tag, series.version if series else 0

    def draw(self, width: int, height: int) -> list[Row]:
        """The heat map, or a text saying what will appear; without a border, the title is the first row."""
        if self.styles.border_top[0] or height < 2:
            return self._picture(width, height)
        title = shorten(self._title, width, self.ascii)
        return [[Span(title, "title")], *self._picture(width, height - 1)]

    def _picture(self, width: int, height: int) -> list[Row]:
        series = self.store.histograms.get(self._tag) if self.store else None
        if series is None or not len(series):
            return self.nothing(self._empty_text(), width, height)
        signed = self.kind == "activation"
        return heat_map(series.counts, series.steps, width, height, self.ascii, signed, self._columns())

    def _columns(self) -> SampleColumns:
        """The previous frame's columns, unless it showed something else."""
        key = (self._tag, id(self.store), id(self.store.started) if self.store else 0)
        if key != self._kept_for:
            self._kept, self._kept_for = SampleColumns(), key
        return self._kept

    @property
    def _tag(self) -> str:
        return f"{self.kind}/{self.layer_name}"

    def _forget(self) -> None:
        self._seen = None
        self._name_panel()
        if self.store:
            self.update_from(self.store)

    def _name_panel(self) -> None:
        self.border_title = self._title

    def _empty_text(self) -> str:
        if not self.layer_name:
            return "Select a layer to see its histogram over time."
        return f"No {self.kind} samples of {self.layer_name} yet.\nEach sample becomes a column, dark where most values are."
