"""The base of the app: what an error does that comes up in a key's action, a worker, or where no net is.

Knows nothing of runs. Main thread.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

from textual.actions import ActionParseResult
from textual.app import App
from textual.dom import DOMNode
from textual.worker import WorkerFailed

from tuimon.base.errors import in_one_line
from tuimon.viewer import net
from tuimon.viewer.net import Netted

_FAILURE_FOR_S = 15.0


class NettedApp(Netted, App[None]):
    """An app that shows errors as notices and keeps running where it can; otherwise it ends and keeps one line about why."""

    def __init__(self, ansi_color: bool | None = None) -> None:
        super().__init__(ansi_color=ansi_color)
        self._failures: set[str] = set()  # errors already shown

    async def run_action(
        self,
        action: str | ActionParseResult,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """Runs the action of a key or a palette command; an error in it does not end the app."""
        with self.saying("That did not work"):
            return await super().run_action(action, default_namespace, namespaces)
        return True

    @contextlib.contextmanager
    def saying(self, what: str) -> Iterator[None]:
        """Shows an error of what is done within as a notice that begins with `what`."""
        try:
            yield
        except Exception as error:
            self.tell_failure(error, what)

    def tell_failure(self, error: Exception, what: str = "Something went wrong") -> None:
        """Shows an error as a notice, each text only once."""
        text = f"{what}: {net.caught(error)}"
        if text not in self._failures:
            self._failures.add(text)
            self.notify(text, severity="error", timeout=_FAILURE_FOR_S, markup=False)

    def _handle_exception(self, error: Exception) -> None:
        """Ends the app, as Textual does, unless a worker failed: nothing waits for it."""
        if isinstance(error, WorkerFailed) and isinstance(error.error, Exception):
            self.tell_failure(error.error)
        else:
            super()._handle_exception(error)

    @property
    def failure(self) -> str:
        """The error that ended the app, in one line; empty if the user quit."""
        error = self._exception
        return in_one_line(error) if error else ""

    def _fatal_error(self) -> None:
        """Ends the app after an uncaught error. `show` reports it in one line; Textual would print a page."""
        self._close_messages_no_wait()
