"""A log's records as JSON lines, for other programs. Pure functions.

Each line has a `kind`: `metrics` (all scalars of one record: `values` by tag), `histogram`, `text`, `event`, `finding`, `end`.
NaN and infinities are null, because JSON cannot express them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from tuimon.launcher.runs.loss import VALIDATION, latest, loss_tag
from tuimon.launcher.runs.status import Status
from tuimon.log.batch import Batch, EventRecord, HistogramRecord, TextRecord
from tuimon.log.records import Finding
from tuimon.log.store import Store
from tuimon.log.walls import is_time

encode = msgspec.json.Encoder(decimal_format="number").encode


class Metrics(NamedTuple):
    """The scalars that were written together."""

    step: int
    wall_time: float
    values: dict[str, float]


Record = Metrics | HistogramRecord | TextRecord | EventRecord
_when = itemgetter(0, 1)


def records(batch: Batch) -> list[Record]:
    """All records of a batch, sorted by wall time."""
    found: list[Record] = [*batch.events, *_metrics(batch), *batch.histograms, *batch.texts]
    return sorted(found, key=lambda record: record.wall_time if is_time(record.wall_time) else 0.0)


def line(record: Record) -> bytes:
    """A record as one line of JSON, with its newline."""
    return encode(_plain(record)) + b"\n"


def end_line(status: Status, code: int, store: Store) -> bytes:
    """The last line: how the run ended, and the step and losses that `tuimon ls` shows."""
    losses = {"loss": latest(store, loss_tag(store)), "val_loss": latest(store, VALIDATION)}
    ended = {"kind": "end", "state": status.state, "detail": status.detail, "code": code, "step": store.step}
    return encode(ended | losses) + b"\n"


def _plain(record: Record) -> dict[str, Any]:
    match record:
        case Metrics():
            return {"kind": "metrics", **record._asdict()}
        case HistogramRecord():
            return {"kind": "histogram", **record._asdict(), "counts": record.counts.tolist()}
        case TextRecord():
            return {"kind": "text", **record._asdict()}
    kind = "finding" if isinstance(record.event, Finding) else "event"
    return {"kind": kind, "step": record.step, "wall_time": record.wall_time, kind: record.event}


def _metrics(batch: Batch) -> Iterator[Metrics]:
    rows: list[tuple[float, int, str, float]] = []
    for tag, points in batch.scalars.items():
        when = zip(points.walls.tolist(), points.steps.tolist(), strict=True)
        rows += ((wall, step, tag, value) for (wall, step), value in zip(when, points.values.tolist(), strict=True))
    rows.sort(key=_when)
    for (wall, step), group in groupby(rows, key=_when):
        yield Metrics(step, wall, {tag: value for _, _, tag, value in group})
