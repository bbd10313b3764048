"""Ends the viewer quickly and quietly when its terminal goes away.

Textual reads a hung-up terminal as endless empty reads and blocks on writes, so with SIGHUP ignored (nohup) it would spin at
full speed forever. A thread sleeps in poll(2) until the terminal hangs up, then exits without touching it. Runs belong to
other sessions and processes and do not notice. Knows nothing of runs or screens.
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
_RECHECK_S = 2.0  # macOS: poll(2) does not report the hang-up there, but reading the terminal's settings fails
_GRACE_S = 10.0  # time to restore a living terminal; beside a training run that uses all cores this takes seconds


def is_gone(fd: int) -> bool:
    """Whether the terminal behind `fd` has hung up; False if it never was a terminal."""
    try:
        termios.tcgetattr(fd)
    except termios.error as error:
        return bool(error.args[0] != errno.ENOTTY)
    return False


def leave_when_gone(fd: int, leave: Callable[[], None]) -> threading.Thread:
    """Calls `leave` from its own thread once the terminal behind `fd` hangs up. Costs nothing until then."""
    thread = threading.Thread(target=_watch, args=(fd, leave), name="tuimon-terminal", daemon=True)
    thread.start()
    return thread


def leave_at_once() -> None:
    """Ends this process without unwinding: any write to the terminal would block or fail."""
    os._exit(HUNG_UP)


def leave_on_signals(fd: int, ask_to_leave: Callable[[], None]) -> None:
    """Makes SIGTERM and SIGHUP quit the viewer and restore its terminal, or exit at once if the terminal is gone.

    A SIGHUP that is already ignored (nohup) stays ignored. Main thread only.
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
    """Waits for a hang-up only. No events are requested, so typing does not wake it."""
    poll = select.poll()
    poll.register(fd, 0)
    return any(mask & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, mask in poll.poll(timeout_s * 1000))
