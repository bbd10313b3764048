"""Learns how the process ends, and that it was forked.

Open monitors are closed at exit. Nothing in here keeps one until then: it ends itself when nobody has it, its model and its
optimizer any more. A forked child (a DataLoader worker) has copies of their sockets and of none of their threads: the copies
are closed, and the child's monitors do nothing from then on.
"""

from __future__ import annotations

import atexit
import multiprocessing.util
import os
import sys
import weakref
from typing import Literal, Protocol

How = Literal["finished", "stopped", "failed"]

_INTERRUPTED = 130  # the exit code that a shell gives a program after Ctrl-C


class Closable(Protocol):
    """A monitor, as far as the end of the process matters to it."""

    def close(self, how: How = "finished", reason: str = "") -> None:
        """Says how the run ended, and lets go of everything."""

    def become_inert(self) -> None:
        """Does nothing any more, and closes this process's copies of the descriptors."""


_open: weakref.WeakSet[Closable] = weakref.WeakSet()


def watch_over(monitor: Closable) -> None:
    """Has a monitor closed when the process ends, and made inert in forked children."""
    if multiprocessing.parent_process() is not None:
        multiprocessing.util.Finalize(None, _close_all, exitpriority=0)  # a forked one of these ends without `atexit`
    _open.add(monitor)


def still_open() -> list[Closable]:
    """The monitors of this process that are not closed."""
    return list(_open)


def leave(monitor: Closable) -> None:
    """Forgets a monitor that is closed."""
    _open.discard(monitor)


def how_it_ends(error: BaseException | None) -> tuple[How, str]:
    """What an exception that ends a run says of its end."""
    if error is None:
        return "finished", ""
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "interrupted"
    if isinstance(error, SystemExit) and error.code in (None, 0):
        return "finished", ""
    if isinstance(error, SystemExit):
        return "stopped" if error.code == _INTERRUPTED else "failed", f"exit {error.code}"
    return "failed", f"{type(error).__name__}: {error}"


def _uncaught() -> BaseException | None:
    """The exception that is ending the process; one of `multiprocessing` is still handling it.

    Python keeps a prompt's past ones in the same place as the last one; those end nothing.
    """
    return None if hasattr(sys, "ps1") else sys.exception() or getattr(sys, "last_value", None)


@atexit.register
def _close_all() -> None:
    how, reason = how_it_ends(_uncaught())
    for monitor in list(_open):
        monitor.close(how, reason)


def _silence_forked_child() -> None:
    for monitor in list(_open):
        monitor.become_inert()
    _open.clear()


os.register_at_fork(after_in_child=_silence_forked_child)
