"""Check: tests a spec before training and shows the results line by line, as a separate process finds them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message
from textual.widgets import Static

from tuimon.base.errors import TuimonError
from tuimon.launcher.start.checking import Checking
from tuimon.spec.spec import Spec
from tuimon.training.report import Line
from tuimon.viewer.draw.report import line_rows, total_row
from tuimon.viewer.draw.rows import Row, text_of
from tuimon.viewer.keys import bindings
from tuimon.viewer.plain_text import said
from tuimon.viewer.screens.base import TuimonScreen
from tuimon.viewer.screens.dialogs import ErrorDialog
from tuimon.viewer.widgets import RowList


class Report(RowList):
    """The report's lines so far."""

    follows = True

    def __init__(self) -> None:
        super().__init__(id="report", classes="panel")
        self.lines: list[Line] = []
        self._rows_at: tuple[int, int] = (-1, -1)
        self._all: list[Row] = []

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "before training"

    def add(self, line: Line) -> None:
        """Appends a line."""
        self.lines.append(line)
        self.redraw()

    def count(self) -> int:
        """Rows that the lines take at the current width."""
        return len(self._drawn())

    def row(self, index: int, width: int) -> Row:
        """The row at an index."""
        return self._drawn()[index]

    def empty_text(self) -> str:
        """Shown while torch is being imported."""
        return "Reading the data and building the model…" if not self.ascii else "Reading the data and building the model..."

    def _drawn(self) -> list[Row]:
        at = (self.size.width, len(self.lines))
        if at != self._rows_at:
            self._all = [row for line in self.lines for row in line_rows(line, max(self.size.width - 2, 20), self.ascii)]
            self._rows_at = at
        return self._all


class CheckScreen(TuimonScreen):
    """The report on a spec before it is trained.

    Args:
        spec: the spec to check, whose files the user trusts.
        launch: called to start training, back on the form.
    """

    PLACE = "check"
    BINDINGS: ClassVar[list[BindingType]] = bindings("check")

    class Found(Message):
        """The worker found a line of the report."""

        def __init__(self, line: Line) -> None:
            self.line = line
            super().__init__()

    class Ended(Message):
        """The report is complete, or could not be made."""

        def __init__(self, error: TuimonError | None = None) -> None:
            self.error = error
            super().__init__()

    def __init__(self, spec: Spec, launch: Callable[[], None]) -> None:
        super().__init__()
        self._spec, self._launch = spec, launch
        self._checking = Checking(spec, trusted=True)

    def compose(self) -> ComposeResult:
        """The summary, the report and the footer."""
        yield Static(said(self.app, f" check  {self._spec.name}: running…"), id="verdict", markup=False)
        yield Report()
        yield self.key_bar()

    def on_mount(self) -> None:
        """Starts the check."""
        self.query_one(Report).focus()
        self._look()

    def on_unmount(self) -> None:
        """Stops the check's process."""
        self._checking.stop()

    @on(Found)
    def show_line(self, event: Found) -> None:
        """Appends a line."""
        self.query_one(Report).add(event.line)

    @on(Ended)
    def show_end(self, event: Ended) -> None:
        """Shows the summary."""
        told = text_of(total_row(self.query_one(Report).lines))
        self.query_one("#verdict", Static).update(f" check  {self._spec.name}: {'failed' if event.error else told}")
        if event.error:
            self.app.push_screen(ErrorDialog(event.error, "Could not run the check"))

    def action_start(self) -> None:
        """Starts the run from the form."""
        self.action_back()
        self._launch()

    def action_back(self) -> None:
        """Goes back to the form."""
        self.app.pop_screen()

    @work(thread=True, group="check")
    def _look(self) -> None:
        try:
            for line in self._checking.lines():
                self.post_message(self.Found(line))
            self.post_message(self.Ended())
        except TuimonError as error:
            self.post_message(self.Ended(error))
        except Exception as error:
            self.post_message(self.Ended(TuimonError(f"{type(error).__name__}: {error}")))
