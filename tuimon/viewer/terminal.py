"""Ends the viewer at once and quietly when its terminal goes away.

Textual reads a hung-up terminal as an endless row of empty reads and blocks on writes that nobody takes, so with SIGHUP
ignored (nohup) it spins at full speed for ever. A thread sleeps in poll(2) until the terminal hangs up and then leaves
without touching it. Runs belong to other sessions and other processes: they do not notice. Knows nothing of runs or screens.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import termios
import threading
from collections.abc import Callable
from types import FrameType

HUNG_UP = 128 + signal.SIGHUP
_RECHECK_S = 2.0  # where poll(2) does not report a terminal's end (macOS), asking it for its settings does
_GRACE_S = 10.0  # to restore a living terminal in; beside a training that has all processors, seconds are needed


def is_gone(fd: int) -> bool:
    """Whether the terminal behind `fd` has hung up; False for what never was a terminal."""
    try:
        termios.tcgetattr(fd)
    except termios.error as error:
        return bool(error.args[0] != errno.ENOTTY)
    return False


def leave_when_gone(fd: int, leave: Callable[[], None]) -> threading.Thread:
    """Calls `leave` from a thread of its own once the terminal behind `fd` has hung up. Costs nothing while it lives."""
    thread = threading.Thread(target=_watch, args=(fd, leave), name="tuimon-terminal", daemon=True)
    thread.start()
    return thread


def leave_at_once() -> None:
    """Ends this process without unwinding: whatever still wants to write to the terminal would block or fail."""
    os._exit(HUNG_UP)


def leave_on_signals(fd: int, ask_to_leave: Callable[[], None]) -> None:
    """SIGTERM and SIGHUP end the viewer with its terminal restored, or at once where the terminal is gone.

    A SIGHUP that the caller ignores (nohup) stays ignored. Main thread only.
    """

    def leave(number: int, frame: FrameType | None) -> None:
        if is_gone(fd):
            leave_at_once()
        timer = threading.Timer(_GRACE_S, leave_at_once)
        timer.daemon = True
        timer.start()
        ask_to_leave()

    signal.signal(signal.SIGTERM, leave)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, leave)


def _watch(fd: int, leave: Callable[[], None]) -> None:
    while not _hangs_up(fd, _RECHECK_S) and not is_gone(fd):
        pass
    leave()


def _hangs_up(fd: int, timeout_s: float) -> bool:
    """Waits for the hang-up alone: no event is asked for, so what the user types does not wake it."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(mask & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, mask in poll.poll(timeout_s * 1000))
