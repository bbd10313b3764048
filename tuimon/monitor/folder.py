"""Finds a new run its folder. Never one that another run has."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.run_name import check_name
from tuimon.log.records import STEERING_FILE, Planned

_given: tuple[Path, int] | None = None  # a folder, and the process that it is for


def give(folder: Path) -> None:
    """Has the first run of this process use a folder that was made for it."""
    global _given
    _given = folder, os.getpid()


def take_given() -> Path | None:
    """The folder that was made for this process's first run, once; None for a later run, and in a forked child."""
    global _given
    given, _given = _given, None
    return given[0] if given and given[1] == os.getpid() else None


def planned_steering(run_dir: Path) -> list[Planned]:
    """What was planned to be done to a run before it was started, in the order of its steps.

    Raises:
        OSError, ValueError: the file that says so cannot be read.
    """
    path = run_dir / STEERING_FILE
    planned = msgspec.json.decode(path.read_bytes(), type=list[Planned]) if path.is_file() else []
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


def _first_free(parent: Path, name: str) -> Path:
    serial = 1
    while True:
        folder = parent / (name if serial == 1 else f"{name}-{serial}")
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            serial += 1
