"""One field of the Launch form: its label, its control, and its help or what is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.message import Message
from textual.widget import Widget
from textual.widgets import Input, Select, Static

from tuimon.viewer.plain_text import said
from tuimon.viewer.screens import launch_form as form

_OTHER = "other…"
_PLACEHOLDERS = {form.NAME: "(from the preset)", form.MORE: "key=value …"}
_SCRIPTS_PLACEHOLDERS = {form.NAME: "(from the script)", form.MORE: "--option value …"}


class Choice(Select[str]):
    """A drop-down list."""

    def on_mount(self) -> None:
        """Replaces the arrows on terminals that cannot show them."""
        if getattr(self.app, "ascii_only", False):
            self.query_one(".down-arrow", Static).update("v")
            self.query_one(".up-arrow", Static).update("^")


class FieldRow(Horizontal):
    """One field: its label, its control, and beside it a help text or what is wrong."""

    # Textual restyles the children of a row that gains or loses the focus only if a rule matches the row itself.
    # A list opens as wide as its longest name, though the field may cut the name off.
    DEFAULT_CSS = """
    FieldRow:focus-within { color: $foreground; }
    FieldRow Select > SelectOverlay { width: auto; min-width: 30; max-width: 60; }
    """

    class Edited(Message):
        """The field's text changed."""

        def __init__(self, key: str, text: str) -> None:
            self.key, self.text = key, text
            super().__init__()

    class OtherWanted(Message):
        """The user wants to type something that is not in the list."""

        def __init__(self, row: FieldRow) -> None:
            self.row = row
            super().__init__()

    def __init__(self, row: form.Row, text: str, choices: tuple[str, ...]) -> None:
        super().__init__(classes="field")
        self.key, self.label, self.text = row.key, row.label, text
        self._choices = choices

    def compose(self) -> ComposeResult:
        """Label, control, note."""
        yield Static(self.label, classes="label")
        yield self._control()
        yield Static(said(self.app, form.help_of(self.key)), classes="note", markup=False)

    def show(self, text: str) -> None:
        """Sets the field's text without posting a message."""
        self.text = text
        control = self.query_one(".control")
        with control.prevent(Select.Changed, Input.Changed):  # with new options, Select first selects the first of them
            if isinstance(control, Select):
                control.set_options(self._options())
                control.value = text
            elif isinstance(control, Input):
                control.value = text

    def judge(self, problem: str, taken: Mapping[str, str], script: bool, of_preset: str | None = None) -> None:
        """Shows what is wrong, or that `more` overrides this field, or the preset's value if it differs, and the help.

        For a script, disables unused fields.
        """
        control = self.query_one(".control")
        control.disabled = script and self.key not in form.OF_A_SCRIPT
        if isinstance(control, Input):
            control.placeholder = self._placeholder(script)
        self.set_class(bool(problem), "-wrong")
        self.set_class(not problem and (self.key in taken or (self.key == form.MORE and bool(taken))), "-taken")
        changed = not script and of_preset is not None and self.text.strip() != of_preset
        self.set_class(changed, "-changed")
        self.query_one(".label", Static).update(f"{'* ' if changed else ''}{self.label}")
        note = form.note_of(self.key, taken, script)
        if changed and self.key not in taken:
            note = f"preset: {of_preset or 'nothing'} · {note}"
        self.query_one(".note", Static).update(said(self.app, problem or note))

    def on_resize(self) -> None:
        """A focused field shows its whole note, on several lines; scrolls them into view."""
        if self.has_focus_within:
            self.scroll_visible(animate=False)

    @on(Input.Changed)
    def typed(self, event: Input.Changed) -> None:
        """The user typed something."""
        event.stop()
        self._edited(event.value)

    @on(Select.Changed)
    def picked(self, event: Select.Changed) -> None:
        """The user picked a choice."""
        event.stop()
        if event.value == _OTHER:
            self.query_one(Select).value = self.text
            self.post_message(self.OtherWanted(self))
        else:
            self._edited(str(event.value))

    def _edited(self, text: str) -> None:
        if text != self.text:
            self.text = text
            self.post_message(self.Edited(self.key, text))

    def _control(self) -> Widget:
        if self._choices:
            return Choice(self._options(), value=self.text, allow_blank=False, compact=True, classes="control")
        return Input(self.text, compact=True, select_on_focus=True, classes="control", placeholder=self._placeholder())

    def _placeholder(self, script: bool = False) -> str:
        return said(self.app, (_SCRIPTS_PLACEHOLDERS if script else _PLACEHOLDERS).get(self.key, ""))

    def _options(self) -> list[tuple[str, str]]:
        texts = list(dict.fromkeys((*self._choices, self.text)))
        return [(said(self.app, text), text) for text in [*texts, *([_OTHER] if form.is_open(self.key) else [])]]
