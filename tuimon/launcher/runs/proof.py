"""Proves that a process belongs to the user and to a run, before tuimon signals it or connects to it.

Anybody may have written a log, so the processes and sockets that it names prove nothing: it may be another user's log, or a
copy. The kernel gives the proof: who owns the process, and that it has a file in this folder open for writing that only a
run's supervisor and training process write. In a copy of the folder, these are different files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tuimon.base.folder_lock import LOCK_FILE
from tuimon.base.owners import process_owner, user_name
from tuimon.base.process import Process, identify, is_alive

_EVENTS = "events.out.tfevents."
# what the names of files that a run's processes write begin with
_WRITTEN = (_EVENTS, "output.log", "stdout.log", "stderr.log", LOCK_FILE)
_FIRST_RECORD = 40  # bytes of an event file's first record: the version of its format, and when it was begun


def why_not_ours(process: Process, run: Path) -> str:
    """Returns why a process must be left alone; empty if it is alive, the caller's own, and writes to this run's folder.

    Args:
        process: the process that a log names.
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
    """Returns the process that a supervisor started, if it is alive and the caller's own."""
    import psutil

    try:
        children = psutil.Process(supervisor.pid).children()
    except psutil.Error:
        return None
    own = (child.pid for child in children if process_owner(child.pid) == os.geteuid())
    return next((found for pid in own if (found := identify(pid))), None)


def where_written(process: Process, run: Path) -> Path | None:
    """Returns the folder where a process writes this run's files; None if that cannot be seen.

    It is another folder if the run's is a copy: then a file that the process has open there is here, too, or its beginning.

    Args:
        process: a live process that the run's log names.
        run: the run's folder, or an event file in it.
    """
    folder, elsewhere = run if run.is_dir() else run.parent, None
    try:
        wanted = os.stat(folder)
        for path, opened in _run_files(process.pid):
            if _is_in(path, wanted):
                return folder
            # in another mount namespace, such as a container's, files have other names
            if path.name.startswith(_EVENTS) and _begin_alike(folder / path.name, path) and _is_same(path, opened):
                elsewhere = path.parent
    except OSError:  # the process is gone, or hides its files from others
        return None
    return elsewhere


def _writes_to(pid: int, folder: Path) -> bool:
    """Whether a process has one of a run's files in this folder open for writing, even if the folder was moved."""
    try:
        wanted = os.stat(folder)
        return any(_is_in(path, wanted) for path, _ in _run_files(pid))
    except OSError:  # the folder or process is gone, or the process hides its files from others
        return False


def _is_in(path: Path, folder: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path.parent), folder)
    except OSError:
        return False


def _begin_alike(path: Path, other: Path) -> bool:
    """Whether both begin with the same record, which holds the time. Two runs that began in one second may share a name."""
    try:
        with open(path, "rb") as one, open(other, "rb") as two:
            return one.read(_FIRST_RECORD) == two.read(_FIRST_RECORD)
    except OSError:
        return False


def _is_same(path: Path, opened: Path) -> bool:
    try:
        return os.path.samefile(path, opened)
    except OSError:
        return False


def _run_files(pid: int) -> Iterator[tuple[Path, Path]]:
    """Yields a run's files that a process has open for writing: under their current names, and as the process has them."""
    files = _open_files(pid) if os.path.isdir("/proc/self") else _open_files_elsewhere(pid)
    return ((path, opened) for path, opened in files if path.name.startswith(_WRITTEN))


def _open_files(pid: int) -> Iterator[tuple[Path, Path]]:
    for descriptor in os.listdir(f"/proc/{pid}/fd"):
        with contextlib.suppress(OSError):  # it was closed meanwhile
            opened = f"/proc/{pid}/fd/{descriptor}"
            target = os.readlink(opened)
            if os.path.basename(target).startswith(_WRITTEN) and os.path.isabs(target) and _is_for_writing(pid, descriptor):
                yield Path(target), Path(opened)


def _is_for_writing(pid: int, descriptor: str) -> bool:
    lines = Path(f"/proc/{pid}/fdinfo/{descriptor}").read_text().splitlines()
    flags = next((int(line.split()[1], 8) for line in lines if line.startswith("flags:")), os.O_RDONLY)
    return flags & os.O_ACCMODE != os.O_RDONLY


def _open_files_elsewhere(pid: int) -> Iterator[tuple[Path, Path]]:
    """Without /proc (macOS), psutil knows which files are open, but not whether for writing."""
    import psutil

    try:
        yield from ((Path(file.path), Path(file.path)) for file in psutil.Process(pid).open_files())
    except psutil.Error:
        return
