"""Proves that a process belongs to the user and to a run, before it is signalled or spoken to.

A log is data that anybody may have written, so what it says of processes and sockets proves nothing: it may be another user's,
or a copy. The proof is the kernel's word: who owns the process, and that it has a file of this very folder open for writing
which only a run's supervisor and training process write. In a copy of the folder those are other files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tuimon.base.owners import process_owner, user_name
from tuimon.base.process import Process, identify, is_alive

# how the names begin of what a run's processes write
_WRITTEN = ("events.out.tfevents.", "output.log", "stdout.log", "stderr.log")


def why_not_ours(process: Process, run: Path) -> str:
    """Why a living process must be left alone; empty when it is the caller's own and writes the log of this run.

    Args:
        process: whom a log names.
        run: the run's folder, or an event file in it.
    """
    owner = process_owner(process.pid)
    if owner is None or not is_alive(process):
        return f"process {process.pid} has ended"
    if owner != os.geteuid():
        return f"process {process.pid} belongs to {user_name(owner)}: only that user can steer or stop it"
    if not _writes_to(process.pid, run if run.is_dir() else run.parent):
        return (
            f"process {process.pid}, which its log names, does not write to {run}; "
            "the folder may be a copy of another run's, or its log may be wrong"
        )
    return ""


def child_of(supervisor: Process) -> Process | None:
    """The one process that a supervisor started, if it lives and is the caller's own."""
    import psutil

    try:
        children = psutil.Process(supervisor.pid).children()
    except psutil.Error:
        return None
    own = (child.pid for child in children if process_owner(child.pid) == os.geteuid())
    return next((found for pid in own if (found := identify(pid))), None)


def _writes_to(pid: int, folder: Path) -> bool:
    """Whether a process has one of a run's own files open for writing in exactly this folder, wherever that was moved."""
    try:
        wanted = os.stat(folder)
        files = _open_files(pid) if os.path.isdir("/proc/self") else _open_files_elsewhere(pid)
        return any(path.name.startswith(_WRITTEN) and os.path.samestat(os.stat(path.parent), wanted) for path in files)
    except OSError:  # the folder or the process has gone, or the process hides its files from other processes
        return False


def _open_files(pid: int) -> Iterator[Path]:
    """The files that a process has open for writing, under the names that they have now."""
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # it was closed meanwhile
            target = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            if os.path.basename(target).startswith(_WRITTEN) and os.path.isabs(target) and _is_for_writing(pid, descriptor):
                yield Path(target)


def _is_for_writing(pid: int, descriptor: str) -> bool:
    lines = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text().splitlines()
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), os.O_RDONLY)
    return flags & os.O_ACCMODE != os.O_RDONLY


def _open_files_elsewhere(pid: int) -> Iterator[Path]:
    """Where there is no /proc (macOS): psutil knows which files are open, though not what for."""
    import psutil

    try:
        yield from (Path(file.path) for file in psutil.Process(pid).open_files())
    except psutil.Error:
        return
