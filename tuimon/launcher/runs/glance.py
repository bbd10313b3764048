"""Looks into a run's log without reading it: its beginning, its end, and a few places between.

So that a list of hundreds of runs of a hundred megabytes each costs little. What lies between the places is not seen, but the
last training step and all that follows it is, so that whether a run is paused is known: a pause holds until a step is made.
"""

from __future__ import annotations

from pathlib import Path

from tuimon.launcher.runs.status import Lifecycle
from tuimon.log.batch import Batch
from tuimon.log.files import event_files
from tuimon.log.reader import read_part
from tuimon.log.records import RunStarted
from tuimon.log.store import Store

_FIRST_BYTES = 1 << 16
_MOST_BYTES = 1 << 23  # how much to read in search of something at either end
_PLACE_BYTES = 1 << 13
_ATTEMPTS = 4  # files of this many of a run's last attempts are looked into
_EACH_STEP = ("throughput", "lr")  # which the monitor itself writes, by its own count of steps


def glance(run: Path, places: int = 24) -> Store:
    """A store that knows a run's start, its end, and its scalars at about `places` evenly spaced places.

    Costs a few milliseconds whatever the log's size. Never raises: what cannot be read is left out.
    """
    store = Store()
    for path in event_files(run)[-2 * _ATTEMPTS :]:
        try:
            batches = look_into(path, places)
        except OSError:
            continue
        for batch in batches:
            store.apply(batch)
    return store


def lifecycle(run: Path) -> Lifecycle:
    """What a run's log says of how it stands; costs about a millisecond for each of its files."""
    return lifecycle_in(glance(run, places=0))


def lifecycle_in(store: Store) -> Lifecycle:
    """What a glance has found of how a run stands."""
    life = Lifecycle()
    for record in store.events:
        life.see(record)
    for series in (store.series[tag] for tag in _EACH_STEP if tag in store):
        if len(series):
            life.see_trained(int(series.steps[-1]), float(series.walls[-1]))
    return life


def started_in(path: Path) -> RunStarted | None:
    """What the training process that writes this event file says of itself; None when it does not, or not yet."""
    head, _ = _head(path, path.stat().st_size)
    return next((record.event for record in head.events if isinstance(record.event, RunStarted)), None)


def look_into(path: Path, places: int) -> list[Batch]:
    """Parts of one event file in their order: its beginning, places, its end; the whole of it if it is small."""
    size = path.stat().st_size
    if size <= 2 * _FIRST_BYTES + places * _PLACE_BYTES:
        return [read_part(path, 0, size)]
    head, head_end = _head(path, size)
    tail, tail_start = _tail(path, size, head_end)
    return [head, *_between(path, head_end, tail_start, places), tail]


def _head(path: Path, size: int) -> tuple[Batch, int]:
    """At least two records: the first only says that it is an event file, the second introduces the run."""
    wanted = _FIRST_BYTES
    while (batch := read_part(path, 0, wanted)).records < 2 and wanted < min(size, _MOST_BYTES):
        wanted *= 8
    return batch, wanted


def _tail(path: Path, size: int, after: int) -> tuple[Batch, int]:
    """At least the last two training steps and all that follows: a pause is written before the step's own scalars."""
    wanted = _FIRST_BYTES
    while True:
        start = max(after, size - wanted)
        batch = read_part(path, start, size - start)
        if start == after or wanted >= _MOST_BYTES or _has_two_steps(batch):
            return batch, start
        wanted *= 8


def _has_two_steps(batch: Batch) -> bool:
    own = (points.steps for tag, points in batch.scalars.items() if not tag.startswith("system/"))
    return any(steps[0] < steps[-1] for steps in own)


def _between(path: Path, start: int, end: int, places: int) -> list[Batch]:
    room = end - start - _PLACE_BYTES
    if room <= 0:
        return []
    return [read_part(path, start + room * i // max(1, places - 1), _PLACE_BYTES) for i in range(places)]
