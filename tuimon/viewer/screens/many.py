"""Steers several runs at once: says first what will be done to which, then how each of them answered."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import ClassVar

import msgspec
from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.message import Message
from textual.screen import ModalScreen
from textual.widgets import Button, Static

from tuimon.base.errors import TuimonError, in_one_line
from tuimon.launcher.steering import client
from tuimon.launcher.steering.commands import author, describe
from tuimon.log.records import Command, Refused
from tuimon.viewer.plain_text import said

Target = tuple[str, Path]  # a run's name and folder
Deed = Callable[[Path], tuple[str, bool]]  # what a run answered, and whether it did what was asked


def sending(command: Command) -> Deed:
    """Sends a command to a run and waits for its answer."""

    def send(run: Path) -> tuple[str, bool]:
        answer = client.send(run, msgspec.structs.replace(command, id=uuid.uuid4().hex, by=author()))
        return describe(answer), not isinstance(answer, Refused)

    return send


def stopping(run: Path) -> tuple[str, bool]:
    """Asks a run to stop, and waits a little."""
    from tuimon.launcher.steering.stop import stop

    try:
        return stop(run, timeout_s=5.0), True
    except client.NoAnswer as waiting:  # it may validate and save for longer
        return waiting.message, True


class ManyDialog(ModalScreen[None]):
    """The question, then the answers.

    Args:
        what: what will be done, such as `Halve the learning rate of`.
        targets: the runs.
        deed: does it to one run; called on threads.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("enter,y", "do", "do it"),
        Binding("escape,n,q", "dismiss", "close"),
    ]

    class Answered(Message):
        """One run answered."""

        def __init__(self, run: Path, text: str, good: bool) -> None:
            self.run, self.text, self.good = run, text, good
            super().__init__()

    def __init__(self, what: str, targets: Sequence[Target], deed: Deed) -> None:
        super().__init__()
        self._what, self._targets, self._deed = what, list(targets), deed
        self._answers: dict[Path, tuple[str, bool]] = {}
        self._asked = False

    def compose(self) -> ComposeResult:
        """The runs, and two buttons."""
        count = len(self._targets)
        with Vertical(classes="dialog") as box:
            box.border_title = said(self.app, f"{self._what} {'this run' if count == 1 else f'these {count} runs'}?")
            with VerticalScroll(id="many"):
                yield Static(self._list(), id="many-list", markup=False)
            with Horizontal(classes="buttons"):
                yield Button("Do it (enter)", variant="warning", compact=True, id="do")
                yield Button("Close (esc)", compact=True, id="close")

    @on(Button.Pressed)
    def pressed(self, event: Button.Pressed) -> None:
        """A button was pressed."""
        if event.button.id == "do":
            self.action_do()
        else:
            self.dismiss()

    def action_do(self) -> None:
        """Does it to all runs at the same time, once."""
        if self._asked:
            self.dismiss()
            return
        self._asked = True
        self.query_one("#do", Button).display = False
        self.query_one("#many-list", Static).update(self._list())
        for _, path in self._targets:
            self._do(path)

    @on(Answered)
    def show_answer(self, event: Answered) -> None:
        """Shows an answer beside its run."""
        self._answers[event.run] = (event.text, event.good)
        self.query_one("#many-list", Static).update(self._list())

    @work(thread=True, group="many")
    def _do(self, run: Path) -> None:
        try:
            text, good = self._deed(run)
        except TuimonError as error:
            text, good = error.message, False
        except Exception as error:  # one run's; the others are done all the same
            text, good = in_one_line(error), False
        self.post_message(self.Answered(run, text, good))

    def _list(self) -> Content:
        return Content("\n").join([self._line(name, path) for name, path in self._targets])

    def _line(self, name: str, path: Path) -> Content:
        if path in self._answers:
            text, good = self._answers[path]
            sign = ("+" if getattr(self.app, "ascii_only", False) else "✓") if good else "!"
            told = (f"  {said(self.app, text)}", "$text-success" if good else "$text-error")
            return Content.assemble((f"{sign} {name}", "bold"), told)
        return Content.assemble((f"  {name}", "bold"), ("  requested" if self._asked else "", "$text-warning"))
