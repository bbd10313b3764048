"""Forks a run: starts a new one from a checkpoint of it, with something different.

The fork has the parent's weights, optimizer, schedule, random states and place in the data; its folder begins with a copy of
the parent's log up to there. Whatever can be wrong is found before anything starts, and reported in one line.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.format import count
from tuimon.launcher.places.local import HERE
from tuimon.launcher.places.place import Place
from tuimon.launcher.runs.runs import LAST_CHECKPOINT
from tuimon.launcher.start.changes import Changes, changes_of
from tuimon.launcher.start.point import Point, point_of
from tuimon.launcher.start.resume import cwd_of
from tuimon.launcher.start.run_folder import make_run_folder
from tuimon.launcher.start.start import device_at, files_of, launch, placed, require_torch
from tuimon.launcher.start.trust import require_trust_in_run
from tuimon.log.batch import EventRecord
from tuimon.log.past import copy_past
from tuimon.log.reader import read_run
from tuimon.log.records import STEERING_FILE, Planned
from tuimon.spec import SPEC_FILE
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec

FORK_CHECKPOINT = LAST_CHECKPOINT.with_name("fork.pt")  # where a fork began: it can be replayed from there
_BEST_CHECKPOINT = LAST_CHECKPOINT.with_name("best.pt")
_AT = re.compile(r"(?P<run>.+)@(?P<step>\d{1,18})")


class Forks(NamedTuple):
    """What was started: where it begins, the fork, and its unchanged twin if one was asked for."""

    point: Point
    fork: Path
    twin: Path | None = None


def split_at(text: str) -> tuple[str, int | None]:
    """The run's name and the step of `RUN@STEP`."""
    found = _AT.fullmatch(text)
    return (found["run"], int(found["step"])) if found else (text, None)


def fork(
    run: Path,
    at: int | None = None,
    settings: Sequence[str] = (),
    *,
    runs_dir: Path,
    name: str | None = None,
    device: str | None = None,
    twin: bool = False,
    place: Place = HERE,
    trusted: bool = False,
    say: Callable[[str], None] = lambda _: None,
) -> Forks:
    """Starts a fork of a run in the background.

    Args:
        run: the parent's folder.
        at: the step to fork it at, or after: the last checkpoint up to there is used. None: the last one; a live run saves one
            at its next boundary and goes on.
        settings: `lever=value` changes to its levers, made at the fork, and `key=value` changes to its spec.
        runs_dir: the folder for the new run's folder.
        name: the new folder's name; None: the parent's with a number.
        device: as in `start`.
        twin: also start the unchanged run from there. What concerns only the length is the same for both.
        place: where both train.
        trusted: whether the user agreed to run files that other users can change.
        say: takes one line before a longer wait.

    Raises:
        Untrusted: it would run such files.
        TuimonError: there is nothing to go on from, or a setting does not fit. In both cases, nothing was started.
    """
    if not (run / SPEC_FILE).is_file():
        hint = "Only runs of presets and spec files can be forked: a script has to load its checkpoints by itself."
        raise TuimonError(f"Cannot fork {run.name}: it is the run of a program, and has no checkpoint to go on from.", hint)
    store = read_run(run)
    changes = changes_of(run, store, settings)
    if twin and not changes.made:
        raise TuimonError(f"A twin of {run.name} needs a fork that is different.", "Say what to change: lr_scale=0.5")
    require_trust_in_run(f"Forking {run.name}", run, changes.spec, trusted)
    device_at(place, device or changes.spec.training.device, runs_dir)
    require_torch()
    point = point_of(run, at, say)
    _check_unfinished(run, point, store.started.steps_per_epoch if store.started else None, changes.spec)
    events = read_run(run).events
    begin = _Beginning(run, point, events, runs_dir, device, place=place)
    started = begin.start(changes, name, f"{run.name}-fork")
    return Forks(point, started, begin.start(changes.twin, f"{started.name}-twin", "") if twin else None)


def fork_again(
    run: Path,
    settings: Sequence[str],
    steering: Sequence[Planned],
    *,
    runs_dir: Path,
    name: str | None,
    device: str | None,
    place: Place,
) -> Path:
    """Starts a fork once more from where it began, with the same spec and what was done to it; for `replay`."""
    store = read_run(run)
    if store.forked is None:
        raise TuimonError(f"Cannot replay {run.name}: its log does not say which run it is a fork of.")
    spec, point = load_spec(run / SPEC_FILE, settings), Point(store.forked.step, run / FORK_CHECKPOINT)
    changes = Changes(spec, tuple(one for one in steering if one.step >= point.step), spec)
    parent = Path(store.forked.path)
    return _Beginning(parent, point, store.events, runs_dir, device, log=run, place=place).start(
        changes, name, f"{run.name}-replay"
    )


class _Beginning(NamedTuple):
    """Where forks begin: all that they share. `log` is the folder with the log to copy, if not the parent's."""

    parent: Path
    point: Point
    events: Sequence[EventRecord]
    runs_dir: Path
    device: str | None
    log: Path | None = None
    place: Place = HERE

    def start(self, changes: Changes, name: str | None, stem: str) -> Path:
        choice = device_at(self.place, self.device or changes.spec.training.device, self.runs_dir)
        spec = placed(changes.spec, self.device, choice)
        cwd = cwd_of(self.log or self.parent)
        files = files_of(spec) | ({STEERING_FILE: _plan(changes, self.point.step)} if changes.steering else {})
        run = make_run_folder(self.runs_dir, name, stem, files)
        try:
            _take(self.point.path, run / FORK_CHECKPOINT)
            if (self.parent / _BEST_CHECKPOINT).is_file():
                _take(self.parent / _BEST_CHECKPOINT, run / _BEST_CHECKPOINT)
            copy_past(self.log or self.parent, self.point.step, self.events, run)
        except OSError as error:
            shutil.rmtree(run, ignore_errors=True)
            raise TuimonError(f"Cannot fork {self.parent.name} into {run}: {error.strerror}.") from error
        return launch(run, spec, choice, "--fork", str(self.parent), cwd=cwd, place=self.place)


def _plan(changes: Changes, step: int) -> bytes:
    planned = [msgspec.structs.replace(one, step=max(one.step, step)) for one in changes.steering]
    return msgspec.json.format(msgspec.json.encode(planned))


def _take(source: Path, target: Path) -> None:
    """Gives a checkpoint a name in another folder. As checkpoints are replaced and never written to, a hard link will do."""
    target.parent.mkdir(exist_ok=True)
    if source.stat().st_uid == os.geteuid():
        with contextlib.suppress(OSError):  # another file system, or one without hard links
            return os.link(source, target)
    shutil.copyfile(source, target)


def _check_unfinished(run: Path, point: Point, an_epoch: int | None, spec: Spec) -> None:
    total = spec.training.steps or spec.training.epochs * (an_epoch or 0)
    if 0 < total <= point.step:
        hint = f"Fork it earlier, {run.name}@STEP, or train it for longer: {'steps' if spec.training.steps else 'epochs'}=…"
        raise TuimonError(f"Nothing is left to train of {run.name} after step {count(point.step)}.", hint)
