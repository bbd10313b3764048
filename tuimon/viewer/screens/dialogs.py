"""Dialogs: an error, a text to read, the confirmation before stopping a run, and a line of text to enter."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from tuimon.base.errors import TuimonError
from tuimon.viewer.plain_text import said
from tuimon.viewer.screens.reading import Reading


class ErrorDialog(ModalScreen[None]):
    """Shows what went wrong and what to try."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", "close")]

    def __init__(self, error: TuimonError, title: str = "That did not work") -> None:
        super().__init__()
        self._error = error
        self._title = title

    def compose(self) -> ComposeResult:
        """The message, the hint and one button."""
        with Vertical(classes="dialog -error") as box:
            box.border_title = said(self.app, self._title)
            yield Static(said(self.app, self._error.message), markup=False)
            if self._error.hint:
                yield Static(said(self.app, self._error.hint), classes="hint", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Close (esc)", variant="error", compact=True, id="close")

    @on(Button.Pressed)
    def close_it(self) -> None:
        """Closes the dialog."""
        self.dismiss()


class TextDialog(ModalScreen[None]):
    """A text to scroll through, as it is."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,enter,q", "dismiss", "close")]

    def __init__(self, title: str, text: str) -> None:
        super().__init__()
        self._title, self._text = title, text

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        with Reading(classes="dialog help") as box:
            box.border_title = said(self.app, self._title)
            box.border_subtitle = "esc to close"
            yield Static(said(self.app, self._text), markup=False)

    def on_mount(self) -> None:
        """Focuses the text, so that the arrow keys scroll it."""
        self.query_one(Reading).focus()


def what_stopping_does(name: str, own_script: bool, queued: bool = False) -> str:
    """What happens to a run that is asked to stop: one that waits, or that trains a spec or the user's own script."""
    if queued:
        return f"{name} leaves the queue. It has not begun to train."
    if own_script:
        then = "If its script checks `stop_requested`, it ends by itself; else tuimon saves a checkpoint and interrupts it."
    else:
        then = "Then it validates, saves a checkpoint and ends."
    return f"{name} finishes its current step. {then}"


class StopDialog(ModalScreen[bool]):
    """Asks before a run is stopped: the one action that cannot be undone."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("s,y,enter", "answer(True)", "stop"),
        Binding("escape,n,q", "answer(False)", "keep training"),
    ]

    def __init__(self, what_happens: str) -> None:
        super().__init__()
        self._what_happens = what_happens

    def compose(self) -> ComposeResult:
        """What stopping does, and the two buttons."""
        with Vertical(classes="dialog") as box:
            box.border_title = "Stop this run?"
            yield Static(said(self.app, self._what_happens), markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Stop (s)", variant="warning", compact=True, id="stop")
                yield Button("Keep training (esc)", compact=True, id="go-on")

    @on(Button.Pressed)
    def answered(self, event: Button.Pressed) -> None:
        """A button was pressed."""
        self.dismiss(event.button.id == "stop")

    def action_answer(self, yes: bool) -> None:
        """A key was pressed."""
        self.dismiss(yes)


class TrustDialog(ModalScreen[bool]):
    """Asks before a file is run that another user can change."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "run it"),
        Binding("escape,n,q", "answer(False)", "do not run it"),
    ]

    def __init__(self, warning: str) -> None:
        super().__init__()
        self._warning = warning

    def compose(self) -> ComposeResult:
        """The warning and two buttons, of which the harmless one has the focus."""
        with Vertical(classes="dialog -error") as box:
            box.border_title = "Run another user's files?"
            yield Static(said(self.app, self._warning), markup=False)
            yield Static("Anyone who can change these files could then act as you.", classes="hint", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Do not run it (esc)", compact=True, id="leave")
                yield Button("Run it (y)", variant="error", compact=True, id="run")

    @on(Button.Pressed)
    def answered(self, event: Button.Pressed) -> None:
        """A button was pressed."""
        self.dismiss(event.button.id == "run")

    def action_answer(self, yes: bool) -> None:
        """A key was pressed."""
        self.dismiss(yes)


class Prompt(ModalScreen[str | None]):
    """Asks for one line of text. While it is typed, `check` returns what is wrong with it and `hint` how to complete it.

    While there is a hint, the text counts as unfinished: it is called wrong only when it is submitted.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "give_up", "close")]

    def __init__(
        self,
        title: str,
        told: str,
        check: Callable[[str], str],
        value: str = "",
        hint: Callable[[str], str] | None = None,
        may_be_empty: bool = False,
    ) -> None:
        super().__init__()
        self._may_be_empty = may_be_empty
        self._title, self._told, self._check, self._value, self._hint = title, told, check, value, hint

    def compose(self) -> ComposeResult:
        """What can be entered, the input, and what is wrong with it."""
        with Vertical(classes="dialog") as box:
            box.border_title = said(self.app, self._title)
            yield Static(said(self.app, self._told), classes="hint", markup=False)
            yield Input(self._value, compact=True, select_on_focus=False)
            yield Static("", classes="problem", markup=False)

    def on_mount(self) -> None:
        """Shows how to begin."""
        self._judge(self._value)

    @on(Input.Changed)
    def check(self, event: Input.Changed) -> None:
        """Shows how to complete the text, or what is wrong with it."""
        self._judge(event.value)

    @on(Input.Submitted)
    def submit(self, event: Input.Submitted) -> None:
        """Closes the dialog with the text if nothing is wrong with it."""
        wrong = self._check(event.value) if event.value else ""
        if wrong:
            self._say(wrong)
        if wrong or not (event.value or self._may_be_empty):
            self.app.bell()
            return
        self.dismiss(event.value)

    def _judge(self, text: str) -> None:
        hint = self._hint(text) if self._hint else ""
        self._say(hint or (self._check(text) if text else ""), bool(hint))

    def _say(self, text: str, hint: bool = False) -> None:
        line = self.query_one(".problem", Static)
        line.set_class(hint, "-hint")
        line.update(said(self.app, text))

    def action_give_up(self) -> None:
        """Closes the dialog without a change."""
        self.dismiss(None)
