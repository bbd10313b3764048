"""Makes a new run's folder with the files that define the run, or nothing at all."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.run_name import check_name


def make_run_folder(runs_dir: Path, name: str | None, stem: str, files: Mapping[str, bytes]) -> Path:
    """Makes a new run's folder. If two runs want the same name, `mkdir` decides.

    Args:
        runs_dir: its parent folder, created if needed.
        name: its name; None: `stem` with a number.
        stem: the beginning of a numbered name.
        files: the contents of the files to write into it, by name.

    Raises:
        TuimonError: the name is invalid or taken, or the folder or a file cannot be made; nothing is left behind.
    """
    if name is not None:
        check_name(name)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        run = _make_named(runs_dir, name) if name is not None else _make_numbered(runs_dir, stem)
    except OSError as error:
        hint = "Choose another folder with --runs-dir or $TUIMON_RUNS."
        raise TuimonError(f"Cannot make a folder for the run in {runs_dir}: {error.strerror}.", hint) from error
    _write(run, files)
    return run


def _make_named(runs_dir: Path, name: str) -> Path:
    run = runs_dir / name
    try:
        run.mkdir()
    except FileExistsError:
        hint = f"`tuimon resume {name}` continues it."
        raise TuimonError(f"There is already a run called {name} in {runs_dir}.", hint) from None
    return run


def _make_numbered(runs_dir: Path, stem: str) -> Path:
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"
    numbers = [int(found[1]) for entry in os.listdir(runs_dir) if (found := re.fullmatch(re.escape(stem) + r"-(\d+)", entry))]
    number = max(numbers, default=0) + 1
    while True:
        with contextlib.suppress(FileExistsError):
            run = runs_dir / f"{stem}-{number:02d}"
            run.mkdir()
            return run
        number += 1


def _write(run: Path, files: Mapping[str, bytes]) -> None:
    try:
        for name, content in files.items():
            (run / name).write_bytes(content)
    except OSError as error:
        shutil.rmtree(run, ignore_errors=True)
        raise TuimonError(f"Cannot write the run's files in {run}: {error.strerror}.") from error
