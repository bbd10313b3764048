"""Resumes a run that has ended, from its last checkpoint.

Whatever can be wrong is found before anything starts, and reported in one line.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.folder_lock import FolderLock, FolderTaken, lock_folder
from tuimon.base.format import count
from tuimon.base.process import is_alive
from tuimon.launcher.places.local import HERE
from tuimon.launcher.places.place import Place
from tuimon.launcher.runs.glance import glance, judge, lifecycle
from tuimon.launcher.runs.runs import LAST_CHECKPOINT
from tuimon.launcher.start.start import device_at, launch, placed, require_torch
from tuimon.launcher.start.trust import require_trust_in_run
from tuimon.log.records import CheckpointSaved
from tuimon.spec import SPEC_FILE
from tuimon.spec.keys import MAY_CHANGE, find_key
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec

_PATIENCE_S = 30.0  # for a process that has logged its end, to end
_LOCK_PATIENCE_S = 10.0  # and for one without a supervisor
_POLL_S = 0.02


def resume_run(
    run: Path, device: str | None = None, settings: Sequence[str] = (), trusted: bool = False, place: Place = HERE
) -> Path:
    """Resumes a run that has ended, from its last checkpoint, in its own folder.

    Args:
        run: its folder.
        device: as in `start`.
        settings: `key=value` changes to its spec, for the keys that may change.
        trusted: whether the user agreed to run files that other users can change.
        place: where it trains.

    Raises:
        Untrusted: it would run such files.
        TuimonError: it is still running, has no checkpoint or nothing left to train, or a setting would make it another run.
    """
    if not (run / SPEC_FILE).is_file():
        hint = "Only runs of presets and spec files can be resumed. A script has to resume by itself."
        raise TuimonError(f"Cannot resume {run.name}: no {run / SPEC_FILE}.", hint)
    if not (run / LAST_CHECKPOINT).is_file():
        raise TuimonError(
            f"Cannot resume {run.name}: it has no {LAST_CHECKPOINT}.", f"Start again: tuimon run {run / SPEC_FILE}"
        )
    spec = load_spec(run / SPEC_FILE, settings)
    require_trust_in_run(f"Resuming {run.name}", run, spec, trusted)
    _check_same_run(run, settings)
    _check_unfinished(run, spec)
    choice = device_at(place, device or spec.training.device, run.parent)
    require_torch()
    with _only_one(run):
        spec = placed(spec, device, choice)
        return launch(run, spec, choice, *settings, f"device={spec.training.device}", "--resume", cwd=cwd_of(run), place=place)


def cwd_of(run: Path) -> Path | None:
    """Returns the working directory of the previous attempt, where the run's relative paths start."""
    launched = lifecycle(run).launched
    return Path(launched.cwd) if launched and os.path.isdir(launched.cwd) else None


def _check_same_run(run: Path, settings: Sequence[str]) -> None:
    wrong = next((text for text in settings if find_key(text.partition("=")[0].strip()) not in MAY_CHANGE), None)
    if wrong is not None:
        may = ", ".join(key.rpartition(".")[2] for key in MAY_CHANGE)
        hint = f"Only {may} may change. For other changes, start a new run: tuimon run {run / SPEC_FILE} {wrong}"
        raise TuimonError(f"Cannot resume {run.name} with {wrong}: it would be another run.", hint)


def _check_unfinished(run: Path, spec: Spec) -> None:
    """Raises TuimonError for a run with nothing left to train, which would only import torch and add an attempt to its log."""
    log = glance(run, places=0)
    an_epoch = log.started.steps_per_epoch if log.started else None
    total = spec.training.steps or spec.training.epochs * (an_epoch or 0)
    checkpoints = [record.event for record in log.events if isinstance(record.event, CheckpointSaved)]
    saved = max((checkpoint.step for checkpoint in checkpoints if checkpoint.reason == "last"), default=0)
    if 0 < total <= saved:
        hint = f"Train it for longer: tuimon resume {run.name} {'steps' if spec.training.steps else 'epochs'}=…"
        raise TuimonError(f"{run.name} has nothing left to train: it has already trained {count(saved)} steps.", hint)


@contextlib.contextmanager
def _only_one(run: Path) -> Iterator[None]:
    """Keeps others from training in the run's folder, and from resuming it, until the log shows this resume."""
    _let_end(run)
    lock = _lock(run)
    try:
        _check_over(run)
        yield
    finally:
        lock.release()


def _let_end(run: Path) -> None:
    """Waits until the supervisor of a finished training has logged its end, which must come before a new attempt."""
    deadline = time.monotonic() + _PATIENCE_S
    life, status = judge(run)
    if status.live and not life.ended:
        return
    while life.launched and is_alive(life.launched.supervisor):
        if time.monotonic() > deadline:
            raise TuimonError(f"Cannot resume {run.name} yet: its process has not ended.", _end_it(run))
        time.sleep(_POLL_S)


def _lock(run: Path) -> FolderLock:
    """Takes the folder's lock, from a training process that is about to end if need be."""
    deadline = time.monotonic() + _LOCK_PATIENCE_S
    while True:
        try:
            return lock_folder(run, patience_s=_POLL_S)
        except FolderTaken as taken:
            _check_over(run)  # says more, for example if another resume was faster
            if time.monotonic() > deadline:
                text = f"Cannot resume {run.name}: {taken.holder} is training in its folder."
                raise TuimonError(text, _end_it(run)) from None


def _check_over(run: Path) -> None:
    _, status = judge(run)
    if status.live or status.state == "unknown":
        hint = f"`tuimon set {run.name} resume` ends the pause." if status.state == "paused" else ""
        raise TuimonError(f"Cannot resume {run.name}: it is {status.state} {status.detail}".rstrip() + ".", hint)


def _end_it(run: Path) -> str:
    return f"`tuimon stop --now {run.name}` ends it."
