"""Knows how the process ends, and that it was forked; the monitors that are open then say so in their logs.

Nothing in here keeps a monitor alive: it ends its run itself when nobody has it, its model and its optimizer any more. A forked
child (a DataLoader worker) has copies of its parent's sockets and none of its threads: the copies are closed, and the child's
monitors do nothing from then on. Without torch.
"""

from __future__ import annotations

import atexit
import functools
import multiprocessing.util
import operator
import os
import sys
import weakref
from typing import Literal, Protocol

from tuimon.base import failure
from tuimon.base.process import signal_name
from tuimon.monitor.abrupt import SignalWatch, tell_of_exit
from tuimon.monitor.outermost import UNKNOWN, system_exit, watch_exit

How = Literal["finished", "stopped", "failed", "killed"]

_INTERRUPTED = 130  # the exit code that a shell gives a program after Ctrl-C


class Closable(Protocol):
    """A monitor, as far as the end of the process matters to it."""

    def close(self, how: How = "finished", reason: str = "") -> None:
        """Logs how the run ended, and releases everything."""

    def leave_now(self, how: How, reason: str) -> None:
        """Logs what is left and how the run ended, without waiting: the process ends right afterwards. Any thread."""

    def become_inert(self) -> None:
        """Does nothing any more, and closes this process's copies of the descriptors."""


_open: weakref.WeakSet[Closable] = weakref.WeakSet()
_signals: SignalWatch | None = None  # while a monitor is open


def watch_over(monitor: Closable) -> None:
    """Closes a monitor when the process ends, and makes it inert in forked children."""
    global _signals
    if multiprocessing.parent_process() is not None:
        multiprocessing.util.Finalize(None, _close_all, exitpriority=0)  # a forked one of these ends without `atexit`
    _hook_exit()
    _open.add(monitor)
    if _signals is None:
        try:
            _signals = SignalWatch(_tell)
        except (OSError, RuntimeError):  # no descriptor or thread is left: a signal then ends the process as ever
            return


@functools.cache
def _hook_exit() -> None:
    """Makes `os._exit` log the end of the runs that are open at that time, and notes `sys.exit`. Can be called repeatedly."""
    tell_of_exit(_tell)
    watch_exit()


def still_open() -> list[Closable]:
    """The monitors of this process that are not closed."""
    return list(_open)


def leave(monitor: Closable) -> None:
    """Forgets a monitor that is closed."""
    global _signals
    _open.discard(monitor)
    if _signals is not None and not _open:
        closing, _signals = _signals, None
        closing.close()


def how_it_ends(error: BaseException | None) -> tuple[How, str]:
    """How a run ends that an exception ends, and why."""
    if error is None:
        return "finished", ""
    if isinstance(error, KeyboardInterrupt):
        return "stopped", "interrupted"
    if isinstance(error, SystemExit):
        return _how_code_ends(error.code)
    return "failed", failure.told(error)


def _how_code_ends(code: object) -> tuple[How, str]:
    """Of `sys.exit`: a number is the exit code, of which the system keeps a byte; anything else is printed and means 1."""
    if code is UNKNOWN:
        return "finished", "SystemExit, with an exit code that is not known"
    try:
        number = 0 if code is None else operator.index(code) & 0xFF  # type: ignore[arg-type]
    except TypeError:
        return "failed", f"SystemExit: {code}"
    return _how_number_ends(number, f"exit code {number}")


def _how_number_ends(number: int, reason: str) -> tuple[How, str]:
    if number == 0:
        return "finished", ""
    return ("stopped" if number == _INTERRUPTED else "failed"), reason


def _uncaught() -> BaseException | None:
    """The exception that is ending the process; one of `multiprocessing` is still handling it.

    Python keeps a prompt's past ones in the same place as the last one; those end nothing.
    """
    return None if hasattr(sys, "ps1") else sys.exception() or getattr(sys, "last_value", None) or system_exit()


@atexit.register
def _close_all() -> None:
    how, reason = how_it_ends(_uncaught())
    for monitor in list(_open):
        monitor.close(how, reason)


def _tell(code: int | None, number: int | None) -> None:
    """Logs the end of each run before `os._exit` with a code, or a signal, ends the process."""
    how: How
    if number is not None:
        how, reason = "killed", f"by {signal_name(number)}"
    else:
        how, _ = _how_number_ends((code or 0) & 0xFF, "")
        reason = f"os._exit({code})"
    for monitor in list(_open):
        monitor.leave_now(how, reason)


def _silence_forked_child() -> None:
    global _signals
    for monitor in list(_open):
        monitor.become_inert()
    _open.clear()
    if _signals is not None:
        _signals.forget()
        _signals = None


def _before_fork() -> None:
    if _signals is not None:
        _signals.let_go()


def _after_fork() -> None:
    if _signals is not None:
        _signals.hold()


os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_silence_forked_child)
