"""Stops a training process by signals, for when its socket does not answer or it must end now.

A process is signalled only while it is exactly the one that the log names: a pid may belong to somebody else by now.
"""

from __future__ import annotations

import os
import signal
import time

from tuimon.base.errors import TuimonError
from tuimon.base.process import Process, identify, is_alive
from tuimon.launcher.runs.status import Lifecycle

_GRACE_S = 3.0
_SECOND_WORD_S = 0.3
_POLL_S = 0.02


def stop_by_signal(life: Lifecycle, now: bool = False, grace_s: float = _GRACE_S) -> str:
    """Asks a run's training process to end (SIGTERM); `now`: makes sure that it has ended before this returns.

    Returns:
        What was done, for people.

    Raises:
        TuimonError: there is no such process here, or it is another user's.
    """
    process = _training_process(life)
    if not now:
        _signal(process, signal.SIGTERM)
        return f"asked process {process.pid} to stop (SIGTERM)"
    steps = ((signal.SIGTERM, _SECOND_WORD_S), (signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s))
    for number, patience_s in steps:  # the trainer takes the first as a request, the second as an order
        _signal(process, number)
        if _gone(process, patience_s):
            return f"stopped process {process.pid} ({number.name})"
    raise TuimonError(f"Process {process.pid} does not end, even with SIGKILL: it is waiting for the kernel or a driver.")


def _training_process(life: Lifecycle) -> Process:
    if life.training and is_alive(life.training.process):
        return life.training.process
    supervisor = life.launched.supervisor if life.launched else None
    child = _child_of(supervisor) if supervisor and is_alive(supervisor) else None
    if child is None:
        raise TuimonError("Cannot stop the run: its training process is not to be found on this machine.")
    return child


def _child_of(supervisor: Process) -> Process | None:
    """What a supervisor started, before it has said anything of itself."""
    import psutil

    try:
        children = psutil.Process(supervisor.pid).children()
    except psutil.Error:
        return None
    return next((found for child in children if (found := identify(child.pid))), None)


def _signal(process: Process, number: signal.Signals) -> None:
    if not is_alive(process):
        return
    try:
        if number == signal.SIGKILL and os.getpgid(process.pid) == process.pid:
            os.killpg(process.pid, number)  # with its workers, which it can no longer end itself
        else:
            os.kill(process.pid, number)
    except ProcessLookupError:
        return
    except PermissionError:
        raise TuimonError(f"Cannot stop process {process.pid}: it is another user's.") from None


def _gone(process: Process, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
