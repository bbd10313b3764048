"""Passes on what a program prints to our own stdout and stderr, byte by byte, and tells which of our streams it may have.

A thread of its own reads the files that the program prints into, so that whoever reads us slowly, or not at all any more, holds
up neither the program nor what else is done here.
"""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

_PIECE_BYTES = 1 << 18
_SOON_S, _LATER_S = 0.01, 0.1  # when to look for more: after something came, and after nothing came for a while


class PassThrough:
    """Copies files that grow to descriptors, until the last byte.

    Args:
        routes: pairs of descriptors: a file to read, and where its bytes go.
    """

    def __init__(self, routes: Sequence[tuple[int, int]]) -> None:
        self._routes = routes
        self._complete = threading.Event()  # the files do not grow any more
        self._broken: OSError | None = None
        self._stderr = threading.Lock()  # held by who writes to stderr, or to the same file as stderr
        self._mid_line = False  # whether what was written there does not end with a newline
        self._thread = threading.Thread(target=self._copy, name="tuimon-passing", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raises the OSError that ended the copying: nobody reads us any more."""
        if self._broken:
            raise self._broken

    def finish(self, give_up: Callable[[], bool]) -> None:
        """Copies the rest of files that no longer grow, however slowly somebody reads it, unless `give_up()` becomes true.

        Raises:
            OSError: as `check`.
        """
        self._complete.set()
        while self._thread.is_alive() and not give_up():
            self._thread.join(_LATER_S)
        self.check()

    @contextmanager
    def between_lines(self) -> Iterator[str]:
        """Keeps stderr to the caller, for lines of its own; yields what ends the line that the program has begun there."""
        with self._stderr:
            yield "\n" if self._mid_line else ""
            self._mid_line = False

    def _copy(self) -> None:
        pause = _SOON_S
        try:
            while True:
                complete = self._complete.is_set()  # asked before the files are read to their end
                if any([self._copy_new(source, target) for source, target in self._routes]):
                    pause = _SOON_S
                elif complete:
                    return
                else:
                    self._complete.wait(pause)
                    pause = min(2 * pause, _LATER_S)
        except OSError as error:
            self._broken = error

    def _copy_new(self, source: int, target: int) -> bool:
        copied = False
        while piece := os.read(source, _PIECE_BYTES):
            if is_same(target, 2):
                with self._stderr:
                    _write(target, piece)
                    self._mid_line = not piece.endswith(b"\n")
            else:
                _write(target, piece)
            copied = True
        return copied


def is_same(one: int, other: int) -> bool:
    """Whether two descriptors lead to the same file, terminal or pipe, where only one order can be right."""
    try:
        return os.path.sameopenfile(one, other)
    except OSError:
        return False


def readable_stdin() -> int | None:
    """Our stdin for a program to read; None where it is closed, or a terminal that another job has."""
    try:
        if os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp():
            return None
        return os.dup(0)
    except OSError:
        return None


def routes(sources: Sequence[int], json_lines: bool) -> list[tuple[int, int]]:
    """Where each source of a program's output goes: to the stream that it was printed to; beside JSON lines, to stderr."""
    return list(zip(sources, (2, 2) if json_lines else (1, 2), strict=False))


def _write(target: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        try:
            view = view[os.write(target, view) :]
        except BlockingIOError:  # somebody has made our stream non-blocking
            select.select([], [target], [])
