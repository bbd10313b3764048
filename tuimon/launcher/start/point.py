"""Finds the checkpoint that a run is forked from, or has a live run save one."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.base.format import count
from tuimon.launcher.runs.glance import judge
from tuimon.launcher.runs.runs import LAST_CHECKPOINT
from tuimon.launcher.steering.client import send
from tuimon.launcher.steering.commands import describe, parse_setting
from tuimon.launcher.steering.waiting import wait_for_training
from tuimon.log.reader import read_run
from tuimon.log.records import CheckpointSaved, Refused

_FOLDER = LAST_CHECKPOINT.parent
_ROUTINE = ("checkpoints/last.pt", "checkpoints/best.pt")
_NAMED = re.compile(r"step-(\d{1,18})\.pt")
_SAVED = re.compile(r"checkpoints/step-(\d{1,18})\.pt(?:,.*)?")
_PATIENCE_S = 60.0
_POLL_S = 0.02


class Point(NamedTuple):
    """A checkpoint: how many steps were complete, and its file."""

    step: int
    path: Path


def point_of(run: Path, at: int | None, say: Callable[[str], None]) -> Point:
    """The checkpoint to fork a run from.

    Args:
        run: its folder.
        at: the last checkpoint at or before this step; None: the last one, and of a live run a new one.
        say: takes one line before a longer wait.

    Raises:
        TuimonError: there is none, or the live run does not save one.
    """
    _, status = judge(run)
    if at is None and status.live:
        return _saved_now(run, say)
    known = points(run)
    fitting = [point for point in known if at is None or point.step <= at]
    if fitting:
        return max(fitting)
    if not known:
        hint = f"Start again: tuimon run {run / 'spec.toml'}"
        raise TuimonError(f"Cannot fork {run.name}: it has no checkpoint.", hint)
    steps = ", ".join(count(step) for step in sorted({point.step for point in known}))
    raise TuimonError(f"Cannot fork {run.name} at step {count(at or 0)}: its first checkpoint is later.", f"It has: {steps}.")


def points(run: Path) -> list[Point]:
    """All checkpoints of a run whose step is known: by their names, or by what the log says of `last.pt` and `best.pt`."""
    files = [path for folder in (run / _FOLDER, run / _FOLDER / "kept") for path in folder.glob("step-*.pt")]
    named = [Point(int(found[1]), path) for path in files if (found := _NAMED.fullmatch(path.name))]
    logged = {e.path: e.step for record in read_run(run).events if isinstance(e := record.event, CheckpointSaved)}
    others = (Point(step, run / path) for path, step in logged.items() if path in _ROUTINE)
    return [*named, *(point for point in others if point.path.is_file())]


def _saved_now(run: Path, say: Callable[[str], None]) -> Point:
    """Has a live run save a checkpoint at its next boundary, and waits until it is complete."""
    wait_for_training(run, _PATIENCE_S, say)
    answer = send(run, parse_setting("checkpoint"))
    note = "" if isinstance(answer, Refused) else answer.note
    found = _SAVED.fullmatch(note)
    if not found:
        raise TuimonError(f"Cannot fork {run.name}: no checkpoint was saved: {note or describe(answer)}")
    point = Point(int(found[1]), run / note.partition(",")[0])
    deadline = time.monotonic() + _PATIENCE_S
    while not point.path.is_file():
        _, status = judge(run)
        if status.state == "paused":
            hint = f"`tuimon set {run.name} resume` ends the pause."
            raise TuimonError(f"Cannot fork {run.name}: it is paused within a step, and saves when it continues.", hint)
        if not status.live or time.monotonic() > deadline:
            raise TuimonError(f"Cannot fork {run.name}: {point.path} was not saved.")
        time.sleep(_POLL_S)
    return point
