"""A run in one line: what a list of runs shows of it. Cheap for any number of runs and any length of log."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tuimon.base.errors import in_one_line
from tuimon.launcher.runs.configuration import configuration
from tuimon.launcher.runs.glance import glance_at
from tuimon.launcher.runs.loss import VALIDATION, latest, loss_tag
from tuimon.launcher.runs.notes import read_notes
from tuimon.launcher.runs.scan import Scan
from tuimon.launcher.runs.standing import state_in
from tuimon.launcher.runs.status import Lifecycle, Status
from tuimon.log.branches import branch_files
from tuimon.log.files import Damage, event_files
from tuimon.log.records import Launched, RunStarted
from tuimon.log.series import Series
from tuimon.log.store import Store
from tuimon.log.walls import plausible

_PACE_STEPS = 500
_LEAST_PACE = 1e-30  # steps a second
_CORRECTED_S = 1.0
_SPARKS = 60  # points of a sparkline
_CACHED = 1 << 14  # runs of one list


@dataclass(frozen=True)
class RunSummary:
    """What a list shows of a run. None, "", and NaN (except in a loss) mean that the log does not contain it."""

    name: str
    path: Path
    status: Status
    step: int = 0
    total_steps: int | None = None
    steps_per_epoch: int | None = None
    loss: float | None = None  # a mean over the latest steps of training
    val_loss: float | None = None
    losses: tuple[float, ...] = ()  # at most 60, evenly spaced over the run; for a sparkline
    loss_steps: tuple[int, ...] = ()  # where these lie
    val_losses: tuple[float, ...] = ()  # likewise
    val_steps: tuple[int, ...] = ()
    steps_per_second: float = math.nan
    device: str = ""
    model: str = ""
    optimizer: str = ""
    activation: str = ""
    launched: bool = False  # by tuimon, so that it can be started again
    config: dict[str, Any] = field(default_factory=dict)  # by dotted key
    tags: tuple[str, ...] = ()  # the user's own, see `notes`
    note: str = ""
    first_wall: float = math.nan
    last_wall: float = math.nan
    damage: tuple[Damage, ...] = ()  # as far as it was seen: not all of a long log may have been read


def summarize(path: Path, name: str = "", scan: Scan | None = None) -> RunSummary:
    """Summarizes a run from a glance at its log; its name is its folder's if `name` is empty.

    Damage between the places of a glance is told as far as `scan` looks for it.

    A log that has not grown is not read again; whether its processes are alive is checked each time. Never raises: the state
    of a run that cannot be read is unknown, and its detail says why.
    """
    try:
        return _summarize(path, name or path.name, scan)
    except Exception as error:  # concerns this run only; a list still shows the others
        return RunSummary(name or path.name, path, Status("unknown", f"its log cannot be read: {in_one_line(error)}"))


def _summarize(path: Path, name: str, scan: Scan | None) -> RunSummary:
    look = _look(path, _signature(path))
    status = state_in(path, look.life)
    if look.life.awaits_exit and not status.live:  # its supervisor may have logged the end since
        look = _look(path, _signature(path))
        status = state_in(path, look.life)
    damage = scan.damage(path, look.damage) if scan else look.damage
    notes = read_notes(path)  # not among what is kept of the log: they change without it
    return RunSummary(name, path, status, damage=damage, tags=notes.tags, note=notes.note, **look.told)


@dataclass(frozen=True)
class _Look:
    life: Lifecycle
    damage: tuple[Damage, ...]
    told: dict[str, Any] = field(default_factory=dict)


def _signature(run: Path) -> tuple[tuple[str, int], ...]:
    """A value that changes whenever something is appended to the run's log."""
    sizes = []
    for file in (*event_files(run), *branch_files(run)):
        try:
            sizes.append((file.name, file.stat().st_size))
        except OSError:
            continue
    return tuple(sizes)


@functools.lru_cache(maxsize=_CACHED)
def _look(run: Path, _changes_with: tuple[tuple[str, int], ...]) -> _Look:
    store, life = glance_at(run)
    return _Look(life, tuple(store.damage), {**_progress(store), **_losses(store), **_made_of(life)})


def _progress(store: Store) -> dict[str, Any]:
    started = store.started
    return {
        "step": store.step,
        "total_steps": started.total_steps if started else None,
        "steps_per_epoch": started.steps_per_epoch if started else None,
        "steps_per_second": pace(store),
        "first_wall": store.first_wall,
        "last_wall": store.last_wall,
    }


def _losses(store: Store) -> dict[str, Any]:
    tag = loss_tag(store)
    told: dict[str, Any] = {"loss": latest(store, tag), "val_loss": latest(store, VALIDATION)}
    told["loss_steps"], told["losses"] = _thinned(store.series.get(tag) if tag else None)
    told["val_steps"], told["val_losses"] = _thinned(store.series.get(VALIDATION))
    return told


def pace(store: Store) -> float:
    """Steps per second over the latest steps, from the total time they took; NaN if none was logged.

    The speed of a single step, or a mean of speeds, would jump at each validation.
    """
    logged = store["throughput"].values[-_PACE_STEPS:] if "throughput" in store else np.empty(0)
    speeds = logged[np.isfinite(logged) & (logged > _LEAST_PACE)]
    return float(1 / np.mean(1 / speeds)) if len(speeds) else math.nan


def seconds_trained(store: Store) -> float:
    """Seconds from the first record to the last, without the time between an end and its resume.

    NaN if the log has no times, or the clock was set back meanwhile: then nothing tells how long it took.
    """
    if any(_runs_back(store[tag]) for tag in ("throughput", loss_tag(store)) if tag in store):
        return math.nan
    steps = store["throughput"].walls if "throughput" in store else np.empty(0)
    walls = np.append(steps, [record.wall_time for record in store.events])
    launches = [record.wall_time for record in store.events if isinstance(record.event, Launched)]
    later = launches if store.forked else launches[1:]  # a fork's log begins with another run's
    idle = sum(launch - max(walls[walls < launch], default=launch) for launch in later)
    return store.last_wall - store.first_wall - float(idle)


def _runs_back(series: Series) -> bool:
    """Whether a later point has an earlier time, by more than the small corrections that a clock gets all the time."""
    return bool((np.diff(plausible(series.walls)) < -_CORRECTED_S).any())


def _thinned(series: Series | None) -> tuple[tuple[int, ...], tuple[float, ...]]:
    """At most 60 of its values, evenly spaced by step: their steps, and the values."""
    if series is None or not len(series):
        return (), ()
    steps = series.steps
    wanted = np.linspace(steps[0], steps[-1], min(_SPARKS, len(steps)))
    places = np.unique(np.searchsorted(steps, wanted).clip(0, len(steps) - 1))
    return tuple(steps[places].tolist()), tuple(series.values[places].tolist())


def _made_of(life: Lifecycle) -> dict[str, Any]:
    started, launched = life.started, life.launched
    device = (launched.device if launched else "") or (started.device if started else "")
    config = configuration(started, launched)
    return {"device": device, "launched": launched is not None, "config": config, **made_of(started, launched)._asdict()}


class MadeOf(NamedTuple):
    """What is trained; "" if the log does not contain it."""

    model: str
    activation: str
    optimizer: str


def made_of(started: RunStarted | None, launched: Launched | None) -> MadeOf:
    """The names from the spec, else those of the classes. No activation if the model has none that can be changed."""
    spec = (started and started.spec) or (launched and launched.spec) or {}
    return MadeOf(
        model=Path(_named(spec, "model", "name")).stem or (started.model if started else ""),
        activation=_named(spec, "model", "activation") if _has_activation(started) else "",
        optimizer=_named(spec, "optimizer", "name") or (started.optimizer if started else ""),
    )


def _has_activation(started: RunStarted | None) -> bool:
    return started is None or any(lever.name == "activation" for lever in started.levers)


def _named(spec: Mapping[str, Any], section: str, key: str) -> str:
    part = spec.get(section)
    return str(part.get(key, "")) if isinstance(part, Mapping) else ""
