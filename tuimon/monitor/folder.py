"""Finds a folder for a new run, never one that another run has; locks it; and reads what was planned for it."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.folder_lock import FolderLock, lock_folder
from tuimon.base.outside import json_decoder
from tuimon.base.run_name import check_name
from tuimon.log.records import STEERING_FILE, Notice, Planned
from tuimon.log.writer import add_event

_decode_plan: Callable[[str | bytes], list[Planned]] = json_decoder(list[Planned])
_PATIENCE_S = 5.0  # for whoever holds the lock while it starts this process
_kept: dict[str, FolderLock] = {}  # by folder
os.register_at_fork(after_in_child=_kept.clear)


def keep(folder: Path) -> FolderLock:
    """Keeps other processes from training in a folder until this one ends.

    Raises:
        FolderTaken: another process trains there.
    """
    lock = _kept[os.path.realpath(folder)] = lock_of(folder)
    lock.lasting = True
    return lock


def lock_of(folder: Path) -> FolderLock:
    """Keeps other processes from training in a folder, until the lock is released; one that `keep` took lasts.

    Raises:
        FolderTaken: another process trains there.
    """
    return _kept.get(os.path.realpath(folder)) or lock_folder(folder, _PATIENCE_S)


def planned_steering(run_dir: Path) -> list[Planned]:
    """What was planned to be done to a run before it was started, in the order of its steps.

    Raises:
        OSError, ValueError: the file that says so cannot be read.
    """
    path = run_dir / STEERING_FILE
    planned = _decode_plan(path.read_bytes()) if path.is_file() else []
    return sorted(planned, key=lambda one: (one.step, one.mid_step))


def default_name() -> str:
    """The script's name and the time, as `train-20260314-150926`; `run-…` where there is no script."""
    script = getattr(sys.modules.get("__main__"), "__file__", None) or ""
    stem = Path(script).stem
    if stem == "__main__":
        stem = Path(script).parent.name
    stem = stem.strip("<>- .")  # a script read from stdin is called <stdin>
    return f"{stem or 'run'}-{time.strftime('%Y%m%d-%H%M%S')}"


def new_run_folder(runs_dir: str | Path | None, name: str | None) -> Path:
    """Makes the folder of a new run: `runs_dir`, else $TUIMON_RUNS, else ./runs; the name gets -2, -3 … if it is taken.

    Raises:
        TuimonError: the name is no plain name, or the folder cannot be made.
    """
    parent = Path(os.path.expanduser(runs_dir or os.environ.get("TUIMON_RUNS") or "runs")).absolute()
    name = name or default_name()
    check_name(name)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        return _first_free(parent, name)
    except OSError as error:
        raise TuimonError(
            f"Cannot make a folder for the run in {parent}: {error.strerror}.", "Choose another with runs_dir or $TUIMON_RUNS."
        ) from error


def announce(further: Path, first: Path) -> None:
    """Tells those who follow a program's first run that it makes a further one; never raises."""
    where = further.name if further.parent == first.parent else further
    with contextlib.suppress(OSError):  # a full disk, or a first run that has no log
        add_event(first, Notice(f"this program makes a further run: {where}", run=str(where)))


def _first_free(parent: Path, name: str) -> Path:
    serial = 1
    while True:
        folder = parent / (name if serial == 1 else f"{name}-{serial}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            serial += 1
