"""Samples: what the model made of examples of the last validation, over a run's screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from tuimon.viewer.net import update
from tuimon.viewer.widgets import SamplesView

if TYPE_CHECKING:
    from tuimon.viewer.opened import OpenRun

_EVERY_S = 1.0


class SamplesScreen(ModalScreen[None]):
    """The samples of a run, which follow a live one."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,v,q,enter", "dismiss", "close")]

    def __init__(self, run: OpenRun) -> None:
        super().__init__()
        self._run = run

    def compose(self) -> ComposeResult:
        """One panel."""
        yield SamplesView(classes="panel")

    def on_mount(self) -> None:
        """Shows what is there, and later what has come."""
        self._update()
        self.query_one(SamplesView).focus()
        self.set_interval(_EVERY_S, self._update)

    def _update(self) -> None:
        view = self.query_one(SamplesView)
        view.set_over(not self._run.status.live)
        update(view, self._run.store)
