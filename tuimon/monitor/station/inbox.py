"""Looks for commands in the run's folder, where viewers on other machines cannot reach its socket.

One daemon thread in the training process, only where the launcher asks for it: it asks for the file's size once a second, which
costs microseconds. What the file holds when the run begins was meant for an earlier attempt.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from tuimon.base import inbox
from tuimon.base.outside import json_decoder
from tuimon.log.records import Command
from tuimon.monitor.station.allowance import Allowance

EVERY_S = 1.0
_AT_ONCE, _PER_S = 64, 10
_MOST_BYTES = 4 * inbox.LONGEST_LINE
_decode: Callable[[str | bytes], Command] = json_decoder(Command)


class Inbox:
    """The thread that looks.

    Args:
        folder: returns the run's folder.
        submit: passes a command on; its answer goes to the log.
        report: called with an error that ends the thread.
        every_s: how often to look, in seconds.
    """

    def __init__(
        self,
        folder: Callable[[], Path],
        submit: Callable[[Command], None],
        report: Callable[[str, BaseException], None],
        every_s: float = EVERY_S,
    ) -> None:
        self._folder, self._submit, self._report, self._every_s = folder, submit, report, every_s
        self._offset = inbox.size(folder())
        self._allowance = Allowance(_AT_ONCE, _PER_S)
        self._closing = threading.Event()
        threading.Thread(target=self._run, name="tuimon-inbox", daemon=True).start()

    def close(self) -> None:
        """Ends the thread, without waiting for it."""
        self._closing.set()

    def _run(self) -> None:
        try:
            while not self._closing.wait(self._every_s):
                with contextlib.suppress(OSError):  # a network file system that is away for a while
                    self._look()
        except Exception as error:
            self._report("inbox", error)

    def _look(self) -> None:
        folder = self._folder()
        if inbox.size(folder) <= self._offset:
            return
        lines, self._offset = inbox.lines_from(folder, self._offset, _MOST_BYTES)
        for line in lines:
            with contextlib.suppress(ValueError):  # nobody waits for an answer to what is no command
                command = _decode(line)
                if command.lever == "stop" or self._allowance.take():
                    self._submit(command)
