"""Ends a training loop by an exception, as Ctrl-C does, and asks again where the loop goes on. Training thread."""

from __future__ import annotations

from collections.abc import Callable

_AGAIN_STEPS = 10  # optimizer steps after which a loop that goes on is asked again


class Leaving:
    """An exception that was asked for, until the run is closed.

    A script may catch it and train on: every step, or until its next epoch. It is asked again at later steps, where the
    optimizer's step begins, and never in a call of `log`: what a script logs while it ends is not disturbed.
    """

    def __init__(self) -> None:
        self._error: BaseException | None = None
        self._goes_on: Callable[[], None] = lambda: None
        self._next = 0  # completed steps at which it is raised again; 0: it has not been raised yet

    @property
    def asked(self) -> bool:
        """Whether the loop is asked to end."""
        return self._error is not None

    def ask(self, error: BaseException, goes_on: Callable[[], None]) -> None:
        """Raises `error` at this boundary; `goes_on` is called each time that the loop has to be asked again."""
        self._error, self._goes_on, self._next = error, goes_on, 0

    def due(self, done: int, mid_step: bool) -> BaseException | None:
        """The exception to raise at this boundary, if any.

        Args:
            done: completed optimizer steps.
            mid_step: whether the next step has begun.
        """
        error = self._error
        if error is None or (self._next and (done < self._next or not mid_step)):
            return None
        if self._next:
            self._goes_on()
            error = type(error)(*error.args)  # the first one has a traceback by now
        self._next = done + _AGAIN_STEPS
        return error
