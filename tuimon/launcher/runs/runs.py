"""Finds runs on disk. A run is a folder that holds an event file."""

from __future__ import annotations

import difflib
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.here import current_folder
from tuimon.log.files import event_files

LAST_CHECKPOINT = Path("checkpoints", "last.pt")

_EVENTS = "events.out.tfevents."
_LATEST = "latest"
_SECONDS = re.compile("[0-9]{1,20}")  # not isdigit: ² is a digit, and no number
_LISTED = 100  # files to look at, in search of something to suggest


def runs_dir(option: str | Path | None = None) -> Path:
    """Where runs live: `option`, else $TUIMON_RUNS, else ./runs (TensorBoard's own default). Absolute; need not exist."""
    return _absolute(option or os.environ.get("TUIMON_RUNS") or "runs")


def _absolute(path: str | Path) -> Path:
    """`~` of a user that there is not stays as it is."""
    path = Path(os.path.expanduser(path))
    return path if path.is_absolute() else current_folder() / path


def is_resumable(run: Path) -> bool:
    """Whether a run that has ended can go on: tuimon started it, and it saved a checkpoint."""
    from tuimon.spec.spec import SPEC_FILE  # only here: what lists runs is to start soon

    return (run / SPEC_FILE).is_file() and (run / LAST_CHECKPOINT).is_file()


def check_runs_dir(directory: Path) -> None:
    """Raises TuimonError when something else than a folder is there, or one that may not be looked into."""
    if not os.path.lexists(directory):
        return
    try:
        os.scandir(directory).close()
    except NotADirectoryError:
        hint = "Runs are in a folder: name one with --runs-dir or $TUIMON_RUNS."
        raise TuimonError(f"{directory} is not a folder.", hint) from None
    except OSError as error:
        hint = "Name another folder with --runs-dir or $TUIMON_RUNS."
        raise TuimonError(f"Cannot look into {directory}: {error.strerror}.", hint) from error


def list_runs(directory: Path) -> list[Path]:
    """All runs of a directory, the one begun last first; empty when there is no such directory."""
    return [path for _, path in sorted(_runs(directory), reverse=True)]


def find_run(text: str, directory: Path) -> Path:
    """The run that `text` means: `latest`, a name, a path, or the beginning of exactly one name.

    Raises:
        TuimonError: none or several; the text names the nearest ones.
    """
    if not text:  # as of a shell's variable that is not set: not the only run that there is
        raise TuimonError("Which run is meant? Its name is empty.", "`tuimon ls` lists them.")
    runs = list_runs(directory)
    if text == _LATEST and runs:
        return runs[0]
    named, path = directory / text, _absolute(text)
    for candidate in (named, path):
        if event_files(candidate):
            return candidate
    begin_so = any(run.name.startswith(text) for run in runs)  # beside a folder of data called `digits`, say
    for candidate in (named,) if begin_so else (named, path):
        if candidate.is_dir():
            check_runs_dir(candidate)
            raise _without_log(candidate)
    return _by_prefix(text, runs, directory)


def _without_log(folder: Path) -> TuimonError:
    """Other frameworks put logs in folders within a run's: train, validation."""
    files = itertools.chain(folder.glob(f"*/*{_EVENTS}*"), folder.glob(f"*/*/*{_EVENTS}*"))  # no deeper: it may be a home
    names = sorted({str(file.parent.relative_to(folder)) for file in itertools.islice(files, _LISTED)})
    hint = f"There are some within it: {', '.join(names[:5])}." if names else "A log's file is named events.out.tfevents.…"
    return TuimonError(f"{folder} holds no log of its own.", hint)


def _by_prefix(text: str, runs: list[Path], directory: Path) -> Path:
    if not runs:
        check_runs_dir(directory)
        raise TuimonError(f"No runs in {directory}.", "Start one with `tuimon run`, or name another folder with --runs-dir.")
    found = [run for run in runs if run.name.startswith(text)]
    if len(found) == 1:
        return found[0]
    if found:
        raise TuimonError(f"{text!r} is the beginning of several runs: {_names(found)}.", "Type more of the name, or `latest`.")
    near = difflib.get_close_matches(text, [run.name for run in runs], n=3, cutoff=0.4)
    hint = f"The nearest: {', '.join(near)}." if near else f"The newest: {_names(runs)}."
    raise TuimonError(f"No run called {text!r} in {directory}.", hint)


def _names(runs: list[Path]) -> str:
    shown = ", ".join(run.name for run in runs[:5])
    return shown if len(runs) <= 5 else f"{shown}, … ({len(runs)} in all)"


def _runs(directory: Path) -> Iterator[tuple[tuple[float, float], Path]]:
    try:
        folders = [Path(entry.path) for entry in os.scandir(directory) if entry.is_dir()]
    except OSError:
        return
    for folder in folders:
        files = event_files(folder)
        if files:
            yield _begun(files[-1]), folder


def _begun(file: Path) -> tuple[float, float]:
    """The second in which the file was begun, as its own name tells, and when it was last written."""
    seconds = file.name.partition(_EVENTS)[2].partition(".")[0]
    try:
        written = file.stat().st_mtime
    except OSError:
        written = 0.0
    return float(seconds) if _SECONDS.fullmatch(seconds) else written, written
