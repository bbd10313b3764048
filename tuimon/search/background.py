"""Searches in the background, as the screen starts them: like `tuimon search STUDY` in a shell; its lines go to a file."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import signal
import subprocess
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.launcher.places.spawn import PYTHON, importable
from tuimon.search.begin import make_study
from tuimon.search.plan import Plan

LOG = "search.log"


def search_in_background(plan: Plan, runs_dir: Path, name: str | None) -> Path:
    """Makes a study and searches in a process that outlives this one, once the user has agreed to run its files.

    Raises:
        TuimonError: it cannot be made or started.
    """
    if importlib.util.find_spec("optuna") is None:
        raise TuimonError("Cannot search: Optuna is not installed.", 'Install it: pip install "tuimon[search]"')
    folder = make_study(plan, runs_dir, name)
    try:
        with open(folder / LOG, "ab") as log:
            process = subprocess.Popen(
                _command(folder),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=importable(dict(os.environ)),
                start_new_session=True,
            )
    except OSError as error:
        raise TuimonError(f"Cannot start the search of {folder.name}: {error.strerror}.") from error
    process.returncode = 0  # nobody waits for it: it outlives us
    return folder


def stop_search(folder: Path) -> str:
    """Asks the searches of a study that were started here in the background to start no more trials; returns what was done."""
    import psutil

    asked = []
    for process in psutil.process_iter(["cmdline", "uids"]):
        uids = process.info["uids"]
        if uids and uids.real == os.getuid() and process.info["cmdline"] == _command(folder):
            with contextlib.suppress(psutil.Error):
                process.send_signal(signal.SIGINT)
                asked.append(process.pid)
    if not asked:
        return f"no search of {folder.name} runs in the background here; Ctrl-C ends one in its terminal"
    return "the search starts no more trials, and ends with those in flight; `tuimon search " + folder.name + "` goes on"


def _command(folder: Path) -> list[str]:
    return [*PYTHON, "tuimon", "search", "--trust", "--runs-dir", str(folder.parent.absolute()), folder.name]
