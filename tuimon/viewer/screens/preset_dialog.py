"""All presets in a list to search: by group with what each shows, or by course with what was done."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from tuimon.base.errors import TuimonError
from tuimon.base.filter import Filter, FilterError
from tuimon.spec.courses import courses
from tuimon.spec.presets import PresetInfo
from tuimon.viewer.draw.rows import Row, Span, cells, shorten
from tuimon.viewer.filtered import told
from tuimon.viewer.plain_text import said
from tuimon.viewer.progress import done
from tuimon.viewer.widgets import RowList


class PresetList(RowList):
    """One preset per row: name, group, title."""

    has_cursor = True

    def __init__(self, presets: Sequence[PresetInfo]) -> None:
        super().__init__(id="preset-list")
        self.can_focus = False
        self.every = list(presets)
        self.presets = list(presets)

    @property
    def under_cursor(self) -> PresetInfo | None:
        """The selected preset."""
        return self.presets[self.cursor] if self.cursor < len(self.presets) else None

    def show(self, presets: Sequence[PresetInfo]) -> None:
        """Shows other presets, or the same in another order; the selected one stays selected if it is among them."""
        selected = self.under_cursor
        self.every = self.presets = list(presets)
        names = [preset.name for preset in presets]
        self.cursor = names.index(selected.name) if selected and selected.name in names else 0
        self.action_move(0)
        self.redraw()

    def filter_by(self, text: str) -> str:
        """Shows only presets that match; if none does, all. Returns what was found. Raises FilterError."""
        found = Filter(text).among(self.every, _searched)
        self.presets = found or self.every
        self.cursor = self.top = 0
        self.redraw()
        return told(len(found), len(self.every), "preset")

    def count(self) -> int:
        """The number of presets."""
        return len(self.presets)

    def row(self, index: int, width: int) -> Row:
        """Name, group and title."""
        preset = self.presets[index]
        name = max((cells(one.name) for one in self.every), default=0)
        group = max((cells(one.group) for one in self.every), default=0)
        title = shorten(preset.title, max(width - name - group - 4, 0), self.ascii)
        return [Span(f"{preset.name:<{name}}  ", "name"), Span(f"{preset.group:<{group}}  ", "dim"), Span(title, "value")]

    def chosen(self, index: int) -> None:
        """A double click takes the preset."""
        self.screen.dismiss(self.presets[index].name)


class PresetDialog(ModalScreen[str]):
    """Search, list and preview; Tab switches between groups and courses. Returns the preset's name; an empty text for none."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "give_up", "close"),
        Binding("up", "move(-1)", show=False),
        Binding("down", "move(1)", show=False),
        Binding("pageup", "move(-8)", show=False),
        Binding("pagedown", "move(8)", show=False),
        Binding("tab", "switch", show=False),
    ]

    def __init__(self, presets: Sequence[PresetInfo], current: str) -> None:
        super().__init__()
        self._presets, self._by_course = presets, False
        self._list = PresetList(presets)
        self._list.cursor = next((index for index, preset in enumerate(presets) if preset.name == current), 0)

    def compose(self) -> ComposeResult:
        """The line to search, the presets, and what the selected one shows."""
        with Vertical(classes="dialog help") as box:
            box.border_title = "Presets"
            box.border_subtitle = _SWITCH[False]
            yield Input(placeholder=said(self.app, "search: words, a | b, !word"), compact=True)
            yield Static("", classes="hint", id="preset-found", markup=False)
            yield self._list
            yield Static("", id="preset-preview", markup=False)

    def on_mount(self) -> None:
        """Shows the current preset."""
        self.query_one(Input).focus()
        self._list.action_move(0)
        self._preview()

    @on(Input.Changed)
    def search(self, event: Input.Changed) -> None:
        """Filters as one types."""
        try:
            told = self._list.filter_by(event.value)
        except FilterError as error:
            told = error.message
        self.query_one("#preset-found", Static).update(said(self.app, told))
        self._preview()

    def action_switch(self) -> None:
        """Lists the presets by course in place of by group, or the other way round."""
        try:
            shown = self._presets if self._by_course else _lessons(self._presets)
        except TuimonError as error:
            self.notify(error.message, severity="error")
            return
        self._by_course = not self._by_course
        box = self.query_one(Vertical)
        box.border_title, box.border_subtitle = ("Courses" if self._by_course else "Presets"), _SWITCH[self._by_course]
        self._list.show(shown)
        if self.query_one(Input).value:
            self.search(Input.Changed(self.query_one(Input), self.query_one(Input).value))
        self._preview()

    @on(Input.Submitted)
    def take(self) -> None:
        """Takes the selected preset."""
        preset = self._list.under_cursor
        self.dismiss(preset.name if preset else "")

    def action_move(self, by: int) -> None:
        """Moves through the list, while the line keeps the focus."""
        self._list.action_move(by)
        self._preview()

    def action_give_up(self) -> None:
        """Closes without a choice."""
        self.dismiss("")

    def _preview(self) -> None:
        preset = self._list.under_cursor
        if preset:
            title = Content.styled(said(self.app, preset.title), "bold")
            self.query_one("#preset-preview", Static).update(
                Content("\n").join([title, *(Content(said(self.app, line)) for line in preset.text)])
            )


_SWITCH = {False: "tab: by course", True: "tab: by group"}


def _lessons(presets: Sequence[PresetInfo]) -> list[PresetInfo]:
    """The presets in the order of the courses; the place stands for the group, the idea comes first in the text."""
    known, finished = {preset.name: preset for preset in presets}, done()
    found = []
    for course in courses():
        for number, lesson in enumerate(course.lessons, start=1):
            mark = " done" if course.key(lesson) in finished else ""
            preset = known[lesson.preset]
            text = (lesson.idea, *preset.text)
            found.append(msgspec.structs.replace(preset, group=f"{course.name} {number}{mark}", text=text))
    return found


def _searched(preset: PresetInfo) -> str:
    return " ".join((preset.name, preset.group, preset.title, *preset.text))
