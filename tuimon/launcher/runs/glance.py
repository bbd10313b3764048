"""Looks into a run's log without reading all of it: its beginning, its end, and a few places between.

So a list of hundreds of runs of a hundred megabytes each costs little. What lies between the places is not seen. The last
training step and all that follows it is, which tells whether a run is paused: a pause lasts until the next step.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tuimon.base.errors import in_one_line
from tuimon.launcher.runs.loss import first_recent, loss_tag
from tuimon.launcher.runs.standing import state_in
from tuimon.launcher.runs.status import Lifecycle, Status
from tuimon.log.batch import Batch
from tuimon.log.branches import as_curves, branches
from tuimon.log.files import Damage, event_files
from tuimon.log.reader import read_part
from tuimon.log.records import RunStarted
from tuimon.log.store import Store

_FIRST_BYTES = 1 << 16
_MOST_BYTES = 1 << 23  # how much to read in search of something at either end
_PLACES, _PLACE_BYTES = 24, 1 << 13
_BRANCHES = 16  # how many of the curves that have folders of their own are looked into
_ATTEMPTS = 4  # how many of a run's last attempts are looked into
_LAST_FILES = 2
_EACH_STEP = ("throughput", "lr")  # tags that the monitor itself writes, by its own count of steps


class Glance(NamedTuple):
    """What a glance at a run's log found."""

    store: Store
    life: Lifecycle


def glance(run: Path, places: int = _PLACES) -> Store:
    """A store that holds a run's start, its end, and its scalars at about `places` evenly spaced places.

    Costs a few milliseconds, however large the log is. Never raises: what cannot be read is left out, and `damage` says why.
    """
    return glance_at(run, places).store


def lifecycle(run: Path) -> Lifecycle:
    """The events that decide a run's state; costs about a millisecond for each of its files."""
    return glance_at(run, places=0).life


def glance_at(run: Path, places: int = _PLACES) -> Glance:
    """A run's store as `glance` returns it, and the events that decide its state."""
    found = Glance(Store(), Lifecycle())
    for path in _latest(event_files(run)):
        with _only_this(path, found.store):
            for batch in look_into(path, places):
                found.store.apply(batch)
                found.store.damage.extend(batch.damage)
                _see(found.life, batch)
    if places:
        _add_branches(found.store, run, places)
    return found


def _latest(files: Sequence[Path]) -> list[Path]:
    """The files of the last attempts; if one process wrote many, as under `ulimit -f`, only its first and its last ones."""
    parts = [list(part) for _, part in itertools.groupby(files, key=_writer)]
    return [path for part in parts[-2 * _ATTEMPTS :] for path in (part[:1] + part[1:][-_LAST_FILES:])]


def _writer(path: Path) -> tuple[str, ...]:
    """The process that wrote a training's file, by its name; of any other file, the file itself."""
    return tuple(path.name.rsplit(".", 3)[1::2]) if path.suffix == ".run" else (path.name,)


def _add_branches(store: Store, run: Path, places: int) -> None:
    own = set(store)
    for branch in branches(run)[:_BRANCHES]:
        with _only_this(branch.file, store):
            for batch in look_into(branch.file, places):
                curves = as_curves(batch, branch.folder)
                store.apply(curves._replace(scalars={tag: curves.scalars[tag] for tag in curves.scalars if tag not in own}))


@contextmanager
def _only_this(path: Path, store: Store) -> Iterator[None]:
    """Notes whatever goes wrong with one file, so that the others are still read."""
    try:
        yield
    except OSError:
        return
    except Exception as error:
        store.damage.append(Damage(path, 0, in_one_line(error)))


def judge(run: Path) -> tuple[Lifecycle, Status]:
    """The events that decide a run's state, and that state, from one look at its log and processes.

    If its supervisor has ended since the log was read, the log is read again: it may now tell how the run ended.
    """
    life = lifecycle(run)
    status = state_in(run, life)
    if life.awaits_exit and not status.live:
        life = lifecycle(run)
        status = state_in(run, life)
    return life, status


def _see(life: Lifecycle, batch: Batch) -> None:
    """Takes in one part of one attempt's file, in which a step comes after a pause if its number is higher."""
    for record in batch.events:
        life.see(record)
    for points in (batch.scalars[tag] for tag in _EACH_STEP if tag in batch.scalars):
        life.see_trained(int(points.steps[-1]))


def started_in(path: Path) -> RunStarted | None:
    """The description by the training process that writes this event file; None when there is none (yet)."""
    head, _ = _head(path, path.stat().st_size)
    return next((record.event for record in head.events if isinstance(record.event, RunStarted)), None)


def is_read_whole(size: int, places: int = _PLACES) -> bool:
    """Whether a glance reads all of an event file of this size."""
    return size <= 2 * _FIRST_BYTES + places * _PLACE_BYTES


def look_into(path: Path, places: int) -> list[Batch]:
    """Parts of one event file, in order: its beginning, some places, its end. All of it if it is small."""
    size = path.stat().st_size
    if is_read_whole(size, places):
        return [read_part(path, 0, size)]
    head, head_end = _head(path, size)
    tail, tail_start = _tail(path, size, head_end)
    return [head, *_between(path, head_end, tail_start, places), tail]


def _head(path: Path, size: int) -> tuple[Batch, int]:
    """At least two records: the first only marks an event file, the second describes the run."""
    wanted = _FIRST_BYTES
    while (batch := read_part(path, 0, wanted)).records < 2 and wanted < min(size, _MOST_BYTES):
        wanted *= 8
    return batch, wanted


def _tail(path: Path, size: int, after: int) -> tuple[Batch, int]:
    """At least the last two training steps and all that follows, because a pause is written before its step's scalars.

    If that costs little, also all steps whose mean is shown as the loss.
    """
    wanted = _FIRST_BYTES
    while True:
        start = max(after, size - wanted)
        batch = read_part(path, start, size - start)
        enough = _has_two_steps(batch) and (wanted > _FIRST_BYTES or _has_recent_losses(batch))
        if start == after or wanted >= _MOST_BYTES or enough:
            return batch, start
        wanted *= 8


def _has_two_steps(batch: Batch) -> bool:
    own = (points.steps for tag, points in batch.scalars.items() if not tag.startswith("system/"))
    return any(steps.min() < steps.max() for steps in own)


def _has_recent_losses(batch: Batch) -> bool:
    tag = loss_tag(batch.scalars)
    if not tag:
        return True
    steps = batch.scalars[tag].steps
    return int(steps[0]) <= first_recent(int(steps[-1]))


def _between(path: Path, start: int, end: int, places: int) -> list[Batch]:
    room = end - start - _PLACE_BYTES
    if room <= 0:
        return []
    return [read_part(path, start + room * i // max(1, places - 1), _PLACE_BYTES) for i in range(places)]
