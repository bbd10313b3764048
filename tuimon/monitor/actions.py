"""What a run can be asked to do, besides moving levers: save a checkpoint, stop. Training thread."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from tuimon.base.errors import TuimonError

Handler = Callable[[], object]


class Actions:
    """The handlers of a run's actions: a script's own, or the default ones.

    Args:
        save: saves a checkpoint; returns its path.
        leave: raises an exception in the training loop, once the action is answered.
        resume: ends a pause.

    Attributes:
        stop_requested: whether a graceful stop was asked for.
        cooperative: whether the script looks at that and stops by itself.
    """

    def __init__(self, save: Callable[[], str], leave: Callable[[BaseException], None], resume: Callable[[], None]) -> None:
        self.stop_requested = self.cooperative = False
        self._save, self._leave, self._resume = save, leave, resume
        self._handlers: dict[str, Handler] = {"checkpoint": save, "stop": self._stop}

    def by_name(self) -> Mapping[str, Callable[[], str]]:
        """Each action's name with a function that does it and returns the note of its answer."""
        return {name: functools.partial(self._act, name) for name in self._handlers}

    def on(self, action: str, handler: Handler) -> None:
        """Registers `handler` for an action.

        Raises:
            TuimonError: there is no such action.
        """
        if action not in self._handlers:
            raise TuimonError(f"There is no action {action!r}.", f"Actions are {', '.join(self._handlers)}.")
        self._handlers[action] = handler

    def _act(self, action: str) -> str:
        """Runs a handler; one that ends the training with Ctrl-C's exception is answered first."""
        note: object = None
        try:
            note = self._handlers[action]()
        except (KeyboardInterrupt, SystemExit) as error:
            self._leave(error)
        if action == "stop":
            self.stop_requested = True
            self._resume()
        return "" if note is None else str(note)

    def _stop(self) -> str:
        if self.cooperative:
            return ""
        path = self._save()
        self._leave(KeyboardInterrupt("stopped from outside"))
        return path
