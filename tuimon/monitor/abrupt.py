"""Ends that skip Python's exit handlers: `os._exit`, and signals whose default ends a process at once.

What a run still holds is written, and its log says how it ended; then the process ends as it would have, with the same status.
The script does not notice: `signal.getsignal` answers as before, and a handler of the script's own takes the place of what is
installed here. The signal's handler is `faulthandler`'s, in C: it writes into a pipe, and a thread reads that, so that a main
thread which is deep in native code keeps no process alive. Without torch.
"""

from __future__ import annotations

import contextlib
import faulthandler
import functools
import operator
import os
import select
import signal
import threading
from collections.abc import Callable
from pathlib import Path

Tell = Callable[[int | None, int | None], None]  # with an exit code or a signal's number

SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU)  # of clusters, terminals, and limits of processor time
_PIPE_BYTES = 1 << 16


def tell_of_exit(tell: Tell) -> None:
    """Calls `tell` with the exit code before `os._exit` ends the process, also in forked children."""
    plain = os._exit

    @functools.wraps(plain)
    def leave(status: int) -> None:
        with contextlib.suppress(Exception):
            tell(operator.index(status), None)
        plain(status)

    os._exit = leave  # type: ignore[assignment]


class SignalWatch:
    """Calls `tell` on a thread of its own before a signal ends this process, until it is closed.

    Only for signals that the script neither handles nor ignores.

    Raises:
        OSError, RuntimeError: no pipe or no thread can be had.
    """

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._pipes = {number: os.pipe() for number in SIGNALS if _ends_at_once(number)}
        self._thread = threading.Thread(target=self._wait, name="tuimon-signals", daemon=True)
        self._thread.start()
        for _, sender in self._pipes.values():
            os.set_blocking(sender, False)  # a handler must never wait
        self.hold()

    def hold(self) -> None:
        """Takes the signals, but those that the script has come to handle."""
        for number, (_, sender) in self._pipes.items():
            if signal.getsignal(number) is signal.SIG_DFL:
                faulthandler.unregister(number)  # else one that the script has replaced meanwhile would not be taken again
                faulthandler.register(number, file=sender, all_threads=False, chain=False)

    def let_go(self) -> None:
        """Gives the signals back, as while a child is forked: what ends the child must not look like the parent's end."""
        for number in self._pipes:
            if signal.getsignal(number) is signal.SIG_DFL:
                faulthandler.unregister(number)

    def close(self) -> None:
        """Gives the signals back; the thread ends."""
        self.let_go()
        pipes, self._pipes = self._pipes, {}
        for _, sender in pipes.values():
            os.close(sender)

    def forget(self) -> None:
        """Closes a forked child's copies of the pipes, which are its parent's."""
        for pipe in self._pipes.values():
            for descriptor in pipe:
                os.close(descriptor)

    def _wait(self) -> None:
        receivers = {receiver: number for number, (receiver, _) in self._pipes.items()}
        poller = select.poll()
        for receiver in receivers:
            poller.register(receiver, select.POLLIN)
        while receivers:
            for receiver, _ in poller.poll():
                if os.read(receiver, _PIPE_BYTES):
                    self._end_by(receivers[receiver])
                poller.unregister(receiver)  # closed
                os.close(receiver)
                del receivers[receiver]

    def _end_by(self, number: int) -> None:
        try:
            self._tell(None, number)
        finally:
            faulthandler.unregister(number)
            os.kill(os.getpid(), number)


def _ends_at_once(number: int) -> bool:
    """Whether nobody handles a signal, neither in Python nor in native code; the latter is known on Linux alone."""
    if signal.getsignal(number) is not signal.SIG_DFL:
        return False
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return True
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)
    return not caught >> (number - 1) & 1
