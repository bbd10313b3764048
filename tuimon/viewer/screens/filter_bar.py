"""The line in which a filter is typed: it filters as one types, and says how much it found."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Protocol, runtime_checkable

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.widget import Widget
from textual.widgets import Input, Static

from tuimon.base.filter import FilterError
from tuimon.viewer.plain_text import said

EXAMPLES = "word · a b · a | b · !word · loss/* · /regex/"


@runtime_checkable
class Filterable(Protocol):
    """A list that can be filtered."""

    @property
    def filter_text(self) -> str:
        """The filter as it was typed."""
        ...

    def filter_by(self, text: str) -> str:
        """Shows only what matches; if nothing does, everything. Returns what was found. Raises FilterError."""
        ...


class FilterLine(Input):
    """Takes no more keys after enter or escape: those that were typed ahead go where the focus goes."""

    def __init__(self, placeholder: str) -> None:
        super().__init__(placeholder=placeholder, compact=True, select_on_focus=True, disabled=True)
        self.ended = False

    async def _on_key(self, event: events.Key) -> None:
        if not self.ended:
            self.ended = event.key in ("enter", "escape")
            await super()._on_key(event)
            return
        event.stop()
        event.prevent_default()
        self.app.post_message(events.Key(event.key, event.character))


class FilterBar(Horizontal):
    """Hidden until `ask`. Enter keeps the filter, escape clears it; both give the focus back."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "clear", "Clear the filter", show=False)]

    def __init__(self) -> None:
        super().__init__()
        self._of: Filterable | None = None
        self._back: Callable[[], object] = lambda: None

    def compose(self) -> ComposeResult:
        """Name, line, and what was found."""
        yield Static("", id="filter-name", markup=False)
        yield FilterLine(said(self.app, EXAMPLES))
        yield Static("", id="filter-found", markup=False)

    def ask(self, name: str, of: Filterable, back: Callable[[], object]) -> None:
        """Asks for a filter of a list; `back` is called at the end, to give the focus back."""
        self._of, self._back = of, back
        self.add_class("-asked")
        self.query_one("#filter-name", Static).update(f" {name} / ")
        line = self.query_one(FilterLine)
        line.disabled = line.ended = False
        with line.prevent(Input.Changed):
            line.value = of.filter_text
        self._tell(of.filter_by(of.filter_text) if of.filter_text else "")
        line.focus()

    @property
    def is_asking(self) -> bool:
        """Whether a filter is being typed."""
        return self.has_class("-asked")

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """Filters by what has been typed so far."""
        event.stop()
        if self._of is None:
            return
        try:
            self._tell(self._of.filter_by(event.value))
        except FilterError as error:
            self._tell(error.message, wrong=True)

    @on(Input.Submitted)
    def submitted(self, event: Input.Submitted) -> None:
        """Keeps the filter."""
        event.stop()
        self._close()

    def action_clear(self) -> None:
        """Shows everything again."""
        if self._of:
            self._of.filter_by("")
        self._close()

    def _close(self) -> None:
        self.remove_class("-asked")
        line = self.query_one(FilterLine)
        line.disabled = line.ended = True
        self._back()

    def _tell(self, text: str, wrong: bool = False) -> None:
        found = self.query_one("#filter-found", Static)
        found.set_class(wrong, "-wrong")
        found.update(said(self.app, text))


def filterable(widget: Widget | None) -> Filterable | None:
    """The widget, if it can be filtered."""
    return widget if isinstance(widget, Filterable) else None
