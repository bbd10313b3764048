"""Judges the state of a run by its folder, too: whether its processes write there, and whether its disk is full. Any thread."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

from tuimon.base.process import Process, is_alive
from tuimon.launcher.runs.proof import where_written
from tuimon.launcher.runs.status import Lifecycle, Status

DISK_FULL = "its log's disk is full"
COPY = "a copy, it seems"


def state_in(run: Path, life: Lifecycle) -> Status:
    """The run's state now.

    A copy of a live run's folder is not live: its log names processes that write to the original. A live run on a full disk
    says so, and a lost one, whose end could not be logged.

    Args:
        run: the run's folder, or an event file in it.
        life: the events that decide its state.
    """
    status = life.status()
    if not status.live and status.state != "lost":
        return status
    if status.live and (original := _original(run, life)):
        return Status("unknown", f"{COPY}: the processes in its log write to {original}, not here")
    if not is_disk_full(run):
        return status
    return dataclasses.replace(status, detail=f"{status.detail}; {DISK_FULL}" if status.detail else DISK_FULL)


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
        found = where_written(process, run) if is_alive(process) else None
        if found in (run, run.parent):  # a run may be one event file
            _own.add((process, run))
            return None
        original = original or found
    return original


_own: set[tuple[Process, Path]] = set()  # these are not asked again: a viewer asks ten times a second
