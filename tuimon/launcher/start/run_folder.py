"""Makes a new run's folder, with what the run is made from in it, or nothing at all."""

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
    """Makes a new run's folder; `mkdir` decides between two that want the same name.

    Args:
        runs_dir: where it is made.
        name: its name; None: `stem` and a number.
        stem: what a numbered name begins with.
        files: what is written into it, by name.

    Raises:
        TuimonError: the name is no folder's or taken, or the folder or a file cannot be made; nothing is left then.
    """
    if name is not None:
        check_name(name)
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        run = _make_named(runs_dir, name) if name is not None else _make_numbered(runs_dir, stem)
    except OSError as error:
        hint = "Choose another folder with --runs-dir or $TUIMON_RUNS."
        raise TuimonError(f"Cannot make a run's folder in {runs_dir}: {error.strerror}.", hint) from error
    _write(run, files)
    return run


def _make_named(runs_dir: Path, name: str) -> Path:
    run = runs_dir / name
    try:
        run.mkdir()
    except FileExistsError:
        hint = f"`tuimon resume {name}` goes on with it."
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
        raise TuimonError(f"Cannot write the run's description in {run}: {error.strerror}.") from error
