"""Stopping by SIGINT (Ctrl-C) or SIGTERM: gracefully the first time, at once the second time. No torch."""

from __future__ import annotations

import signal
from collections.abc import Callable
from types import FrameType, TracebackType
from typing import Any

from tuimon.training.output import say

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignals:
    """A context in which the first signal sets `asked` and calls `tell`, and the second raises KeyboardInterrupt.

    Enter it on the main thread. `tell` can be called between any two instructions there, so it must not take a lock.
    """

    def __init__(self) -> None:
        self.asked = False
        self.tell: Callable[[], None] = lambda: None
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> StopSignals:
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt(signal.Signals(number).name)
        self.asked = True
        say("stopping: finishes the step, validates and saves; a second signal stops at once")
        self.tell()
