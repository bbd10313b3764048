"""Which checkpoint of a run is the best. Pure functions of its log."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np

from tuimon.log.batch import EventRecord
from tuimon.log.records import CheckpointSaved
from tuimon.log.store import Store

_LOSSES = 10  # before a checkpoint, whose median judges it


def latest(events: Iterable[EventRecord]) -> list[CheckpointSaved]:
    """Each file as it was saved last, in the order of their steps."""
    by_path = {one.path: one for record in events if isinstance(one := record.event, CheckpointSaved)}
    return sorted(by_path.values(), key=lambda one: one.step)


def best(saved: Sequence[CheckpointSaved], store: Store) -> CheckpointSaved:
    """The one that training has called the best; else that of the lowest validation loss, else of the lowest training loss.

    Args:
        saved: at least one, in the order of their steps.
        store: the run's log.
    """
    if named := [one for one in saved if one.reason == "best"]:
        return named[-1]
    for tag, points in (("loss/val", 1), ("loss/train", _LOSSES)):
        scored = [(one, score) for one in saved if math.isfinite(score := _score(store, tag, one.step, points))]
        if scored:
            least = min(score for _, score in scored)
            return [one for one, score in scored if score == least][-1]
    return saved[-1]


def _score(store: Store, tag: str, step: int, points: int) -> float:
    """The median of the last values before a checkpoint; of the run's start, the first training loss. NaN without any."""
    series = store.series.get(tag)
    if series is None or not len(series):
        return math.nan
    end = int(np.searchsorted(series.steps, step, side="right"))
    if not end:
        return float(series.values[0]) if points > 1 else math.nan
    return float(np.median(series.values[max(0, end - points) : end]))
