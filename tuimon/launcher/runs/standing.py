"""Judges the state of a run by its folder, too: whether its processes write there, and whether its disk is full. Any thread."""

from __future__ import annotations

import dataclasses
import math
import os
import time
from pathlib import Path

from tuimon.base.process import Process, is_alive
from tuimon.launcher.places.place import Held
from tuimon.launcher.places.places import holder
from tuimon.launcher.runs.proof import where_written
from tuimon.launcher.runs.status import Lifecycle, Status

DISK_FULL = "its log's disk is full"
COPY = "a copy, it seems"
_ASKED_EVERY_S = 1.0


def state_in(run: Path, life: Lifecycle) -> Status:
    """The run's state now.

    A copy of a live run's folder is not live: its log names processes that write to the original. A live run on a full disk
    says so, and a lost one, whose end could not be logged.

    Args:
        run: the run's folder, or an event file in it.
        life: the events that decide its state.
    """
    status = life.status()
    if status.state == "queued" and life.queued and not life.engine:
        status = _waiting(status, holder(life.queued.on).state(run))
    elif life.engine and _engine_knows_more(life, status):
        status = _by_engine(status, life, holder(life.engine).state(run if run.is_dir() else run.parent))
    if not status.live and status.state != "lost":
        return status
    if status.live and (original := _original(run, life)):
        return Status("unknown", f"{COPY}: the processes in its log write to {original}, not here")
    if not is_disk_full(run):
        return status
    return dataclasses.replace(status, detail=f"{status.detail}; {DISK_FULL}" if status.detail else DISK_FULL)


def _waiting(status: Status, held: Held) -> Status:
    return dataclasses.replace(status, detail=f"{held.detail}, {status.detail}") if held.detail else status


def _engine_knows_more(life: Lifecycle, status: Status) -> bool:
    """Whether the log is not the last word: some engines start a run once more that has ended."""
    if status.state in ("stopped", "killed"):
        return holder(life.engine).restarts
    return status.state in ("queued", "unknown", "lost")


def _by_engine(status: Status, life: Lifecycle, held: Held) -> Status:
    """What an engine knows of its job, where the log and the processes that are seen from here cannot tell."""
    if held.phase == "lives":
        return status if status.state != "unknown" else life.as_running()
    if held.phase == "waits":  # also one that was put back into the queue after its end was logged
        return _waiting(status if status.state == "queued" else Status("queued", "to go on"), held)
    if held.phase == "runs":
        hidden = status.state in ("queued", "unknown")
        return dataclasses.replace(life.as_running(), detail=held.detail) if hidden else status
    if held.phase == "over":
        if status.state == "queued":
            return Status("stopped" if held.how == "stopped" else "lost", f"{held.detail} before it began")
        return Status(held.how, held.detail) if status.state in ("unknown", "lost") else status
    return dataclasses.replace(status, detail=held.detail or status.detail)


def is_disk_full(run: Path) -> bool:
    """Whether nothing more can be written to a folder's file system. False where that is unknown."""
    try:
        found = os.statvfs(run)
    except OSError:
        return False
    room = found.f_bavail if os.geteuid() else found.f_bfree  # a part of it may be reserved for root
    return found.f_blocks > 0 and room == 0


def _original(run: Path, life: Lifecycle) -> Path | None:
    """The folder of the run that this one's is a copy of, if the live processes in its log write there, and none here."""
    original = None
    for process in life.processes():
        if (process, run) in _own:
            return None
        found = _where_written(process, run)
        if found in (run, run.parent):  # a run may be one event file
            _own.add((process, run))
            return None
        original = original or found
    return original


def _where_written(process: Process, run: Path) -> Path | None:
    """As `where_written`, at most once a second: a viewer asks ten times, and each time all open files are looked at."""
    now = time.monotonic()
    asked, found = _others.get((process, run), (-math.inf, None))
    if now > asked + _ASKED_EVERY_S:
        found = where_written(process, run) if is_alive(process) else None
        _others[process, run] = now, found
    return found


_own: set[tuple[Process, Path]] = set()  # these are not asked again
_others: dict[tuple[Process, Path], tuple[float, Path | None]] = {}  # when the others were asked, and the answer
