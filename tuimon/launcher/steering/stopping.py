"""Stops a training process with signals, when its socket does not answer or it must end now.

A process is signalled only if it is exactly the one that the log names (another process may have its pid by now), and only if
the kernel confirms that it is the caller's own and this run's, because a log can name any process.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.process import Process, identify, is_alive
from tuimon.launcher.runs.proof import child_of, why_not_ours
from tuimon.launcher.runs.status import Lifecycle

_GRACE_S = 3.0
_SECOND_WORD_S = 0.3
_POLL_S = 0.02


def stop_by_signal(run: Path, life: Lifecycle, now: bool = False, grace_s: float = _GRACE_S) -> str:
    """Asks a run's training process to end (SIGTERM); `now`: makes sure that it has ended before this returns.

    If another process (torchrun, a shell script) started the training process, `now` ends that first, because it might go on
    with something else, and the rest of its group last.

    Returns:
        What was done, for the user.

    Raises:
        TuimonError: there is no such process here, or it is not the caller's own, or not this run's.
    """
    process = _training_process(run, life)
    if not now:
        _signal(process, signal.SIGTERM)
        return f"asked process {process.pid} to stop (SIGTERM)"
    starter = life.spawned if life.spawned and life.spawned != process and not why_not_ours(life.spawned, run) else None
    if starter is None:
        return _end(process, grace_s)
    leads = _leads_a_group(starter)
    _end(starter, grace_s)
    said = _end(process, grace_s)
    if leads:
        _end_group_of(starter)
    return said


def _end(process: Process, grace_s: float) -> str:
    steps = ((signal.SIGTERM, _SECOND_WORD_S), (signal.SIGTERM, grace_s), (signal.SIGKILL, grace_s))
    for number, patience_s in steps:  # the trainer stops gracefully at the first, at once at the second
        _signal(process, number)
        if _gone(process, patience_s):
            return f"stopped process {process.pid} ({number.name})"
    raise TuimonError(f"Process {process.pid} does not end, even with SIGKILL: it is waiting for the kernel or a driver.")


def _leads_a_group(process: Process) -> bool:
    try:
        return os.getpgid(process.pid) == process.pid
    except ProcessLookupError:
        return False


def _end_group_of(leader: Process) -> None:
    """Kills the rest of the group that an ended process led, unless another process has its pid by now."""
    if identify(leader.pid) is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader.pid, signal.SIGKILL)


def _training_process(run: Path, life: Lifecycle) -> Process:
    if life.training and is_alive(life.training.process):
        return _proven(life.training.process, run)
    supervisor = life.launched.supervisor if life.launched else None
    child = child_of(_proven(supervisor, run)) if supervisor and is_alive(supervisor) else None
    if child is None and life.spawned and is_alive(life.spawned):
        return _proven(life.spawned, run)
    if child is None and supervisor and life.queued and is_alive(supervisor):
        return _proven(supervisor, run)  # it ends by itself: nothing has started
    if child is None:
        raise TuimonError(f"Cannot stop {run.name}: its training process was not found on this machine.")
    return child


def _proven(process: Process, run: Path) -> Process:
    if reason := why_not_ours(process, run):
        raise TuimonError(f"Cannot stop {run.name}: {reason}.")
    return process


def _signal(process: Process, number: signal.Signals) -> None:
    """Signals exactly this process: a process descriptor, if the system has them, never means a later process with its pid."""
    with contextlib.suppress(ProcessLookupError), _held(process) as handle:
        if not is_alive(process):
            return
        if number == signal.SIGKILL and _leads_a_group(process):
            os.killpg(process.pid, number)  # and its workers, which it can no longer end itself
        elif handle is None:
            os.kill(process.pid, number)
        else:
            signal.pidfd_send_signal(handle, number)


@contextlib.contextmanager
def _held(process: Process) -> Iterator[int | None]:
    """A descriptor of a process; None if the system has no such descriptors. Raises ProcessLookupError."""
    try:
        handle = os.pidfd_open(process.pid)
    except ProcessLookupError:
        raise
    except (AttributeError, OSError):  # macOS; an old kernel
        yield None
        return
    try:
        yield handle
    finally:
        os.close(handle)


def _gone(process: Process, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while is_alive(process):
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True
