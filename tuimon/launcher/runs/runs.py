"""Finds runs on disk. A run is a folder that holds an event file, at whatever depth below the folder of runs.

Its name is its path there, as on TensorBoard's page: `nested/train`.
"""

from __future__ import annotations

import difflib
import itertools
import os
import re
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.here import current_folder
from tuimon.base.regular import open_regular
from tuimon.log.files import event_files
from tuimon.log.folders import LogFolder, log_folders
from tuimon.spec import SPEC_FILE

LAST_CHECKPOINT = Path("checkpoints", "last.pt")

_EVENTS = "events.out.tfevents."
_LATEST = "latest"
_SECONDS = re.compile("[0-9]{1,20}")  # not isdigit: ² is a digit but not a number
_SUGGESTED = 5  # runs that a message names


def runs_dir(option: str | Path | None = None) -> Path:
    """Where runs live: `option`, else $TUIMON_RUNS, else ./runs (TensorBoard's own default). Absolute; need not exist."""
    return _absolute(option or os.environ.get("TUIMON_RUNS") or "runs")


def _absolute(path: str | Path) -> Path:
    """The absolute path; `~name` of an unknown user stays as it is."""
    path = Path(os.path.expanduser(path))
    return path if path.is_absolute() else current_folder() / path


def is_resumable(run: Path) -> bool:
    """Whether a run that has ended can be resumed: tuimon started it, and it saved a checkpoint."""
    return (run / SPEC_FILE).is_file() and (run / LAST_CHECKPOINT).is_file()


def check_runs_dir(directory: Path) -> None:
    """Raises TuimonError if the directory does not exist, is not a folder, or cannot be read."""
    if not os.path.lexists(directory):
        hint = "Start a run with `tuimon run`, or name another folder with --runs-dir or $TUIMON_RUNS."
        raise TuimonError(f"There is no folder {directory}.", hint)
    try:
        os.scandir(directory).close()
    except NotADirectoryError:
        hint = "Runs are in a folder: name one with --runs-dir or $TUIMON_RUNS."
        raise TuimonError(f"{directory} is not a folder.", hint) from None
    except OSError as error:
        hint = "Name another folder with --runs-dir or $TUIMON_RUNS."
        raise TuimonError(f"Cannot read {directory}: {error.strerror}.", hint) from error


def list_runs(directory: Path) -> list[Path]:
    """All runs of a directory, newest first; empty if there is no such directory."""
    return [path for _, _, path in sorted(((*_begun(found), found.path) for found in log_folders(directory)), reverse=True)]


def run_name(run: Path, directory: Path) -> str:
    """A run's name within a directory: its path from there; `.` for the directory itself."""
    return run.relative_to(directory).as_posix() if run.is_relative_to(directory) else run.name


def find_run(text: str, directory: Path) -> Path:
    """The run that `text` names: `latest`, a name, a path, or the beginning of exactly one name.

    Raises:
        TuimonError: no run or several match; the text names the nearest ones.
    """
    if not text:  # from an unset shell variable, say; it must not mean the only run
        raise TuimonError("The name of the run is empty.", "`tuimon ls` lists the runs.")
    named, path = directory / text, _absolute(text)
    if text != _LATEST:
        for candidate in (named, path):
            if event_files(candidate):
                if candidate.is_file() and not _is_event_file(candidate):
                    raise _no_event_file(candidate)
                return candidate
    runs = {run_name(run, directory): run for run in list_runs(directory)}
    if text == _LATEST and runs:
        return next(iter(runs.values()))
    is_prefix = any(name.startswith(text) for name in runs)  # then `digits` does not mean a data folder of that name
    for candidate in (named,) if is_prefix else (named, path):
        if candidate.is_dir():
            check_runs_dir(candidate)
            raise _without_log(candidate)
    return _by_prefix(text, runs, directory)


def _is_event_file(path: Path) -> bool:
    """Whether a file is a log by its name, even if damaged, or begins as one: with the checksum of a record's length."""
    if "tfevents" in path.name:
        return True
    from tuimon.log.frames import begins_record  # numpy; needed for files with a name of their own only

    try:
        with open_regular(path) as file:
            return begins_record(file.read(64))
    except OSError:
        return False


def _no_event_file(path: Path) -> TuimonError:
    hint = f"To train with a script: `tuimon run {path.name}`." if path.suffix == ".py" else ""
    return TuimonError(f"{path} is no event file.", hint or "Name a run, its folder, or an event file in it.")


def _without_log(folder: Path) -> TuimonError:
    """The error for a folder whose logs, if any, are in folders inside it, such as train and validation."""
    names = [found.name for found in itertools.islice(log_folders(folder), _SUGGESTED)]
    hint = f"Runs in it: {', '.join(sorted(names))}." if names else "An event file is named events.out.tfevents.…"
    return TuimonError(f"{folder} has no event file of its own.", hint)


def _by_prefix(text: str, runs: dict[str, Path], directory: Path) -> Path:
    if not runs:
        check_runs_dir(directory)
        raise TuimonError(f"No runs in {directory}.", "Start one with `tuimon run`, or name another folder with --runs-dir.")
    found = [name for name in runs if name.startswith(text)]
    outermost = [name for name in found if not any(name.startswith(f"{other}/") for other in found)]
    if len(outermost) == 1:
        return runs[outermost[0]]
    if found:
        raise TuimonError(f"{text!r} matches several runs: {_names(found)}.", "Type more of the name, or `latest`.")
    near = difflib.get_close_matches(text, runs, n=3, cutoff=0.4)
    hint = f"The nearest: {', '.join(near)}." if near else f"The newest: {_names(list(runs))}."
    raise TuimonError(f"No run called {text!r} in {directory}.", hint)


def _names(names: list[str]) -> str:
    shown = ", ".join(names[:_SUGGESTED])
    return shown if len(names) <= _SUGGESTED else f"{shown}, … ({len(names)} in all)"


def _begun(found: LogFolder) -> tuple[float, float]:
    """The second in its newest file's name, which is when that file was begun, and when it was last written."""
    seconds = found.newest.partition(_EVENTS)[2].partition(".")[0]
    try:
        written = os.stat(os.path.join(found.path, found.newest)).st_mtime
    except OSError:
        written = 0.0
    return float(seconds) if _SECONDS.fullmatch(seconds) else written, written
