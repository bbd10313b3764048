"""What a run can be asked to do, besides moving levers: save a checkpoint, go back to one, stop. Training thread."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from tuimon.base.errors import TuimonError
from tuimon.log.records import LeverValue
from tuimon.monitor.levers.levers import Done

Handler = Callable[..., object]


class Actions:
    """The handlers of a run's actions: a script's own, or the default ones.

    Args:
        save: saves a checkpoint; returns its path.
        rewind: goes back to the checkpoint of a name; empty: to the best one.
        leave: raises an exception in the training loop, once the action is answered.
        resume: ends a pause.

    Attributes:
        stop_requested: whether a graceful stop was asked for.
        cooperative: whether the script looks at that and stops by itself.
    """

    def __init__(
        self,
        save: Callable[[], str],
        rewind: Callable[[str], Done],
        leave: Callable[[BaseException], None],
        resume: Callable[[], None],
    ) -> None:
        self.stop_requested = self.cooperative = False
        self._save, self._leave, self._resume = save, leave, resume
        self._handlers: dict[str, Handler] = {"checkpoint": save, "rewind": rewind, "stop": self._stop}

    def by_name(self) -> Mapping[str, Callable[[LeverValue], Done]]:
        """Each action's name with a function that does it and returns what its answer tells."""
        return {name: functools.partial(self._act, name) for name in self._handlers}

    def on(self, action: str, handler: Handler) -> None:
        """Registers `handler` for an action.

        Raises:
            TuimonError: there is no such action.
        """
        if action not in self._handlers:
            raise TuimonError(f"There is no action {action!r}.", f"Actions are {', '.join(self._handlers)}.")
        self._handlers[action] = handler

    def _act(self, action: str, given: LeverValue) -> Done:
        """Runs a handler; one that ends the training with Ctrl-C's exception is answered first."""
        note: object = None
        try:
            note = self._handlers[action](given or "") if action == "rewind" else self._handlers[action]()
        except (KeyboardInterrupt, SystemExit) as error:
            self._leave(error)
        if action == "stop":
            self.stop_requested = True
            self._resume()
        return note if isinstance(note, Done) else Done("" if note is None else str(note), given)

    def _stop(self) -> str:
        if self.cooperative:
            return ""
        path = self._save()
        self._leave(KeyboardInterrupt("stopped from outside"))
        return path
