"""A log's records as JSON lines, for other programs. Pure functions.

Each line has a `kind`: `metrics` (all scalars of one record: `values` by tag), `histogram`, `text`, `event`, `finding`, `end`.
NaN and infinities are null, because JSON cannot express them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, repeat
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
_Placed = tuple[float, Record]
_place = itemgetter(0)
_place_and_step = itemgetter(0, 1)


def records(batch: Batch) -> list[Record]:
    """All records of a batch in the order of the log, or by wall time if the batch does not tell that order."""
    found = [*_placed(batch), *_metrics(batch)]
    return [record for _, record in sorted(found, key=_place)]


def _placed(batch: Batch) -> Iterator[_Placed]:
    for kind in ("events", "histograms", "texts"):
        found: Sequence[Record] = getattr(batch, kind)
        places = getattr(batch.places, kind) if batch.places else [_second(record.wall_time) for record in found]
        yield from zip(places, found, strict=False)  # a kind that was left out still has its places


def _second(wall_time: float) -> float:
    return wall_time if is_time(wall_time) else 0.0


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


def _metrics(batch: Batch) -> Iterator[_Placed]:
    """The scalars of each record."""
    rows: list[tuple[float, int, float, str, float]] = []
    for tag, points in batch.scalars.items():
        walls = points.walls.tolist()
        places = batch.places.scalars[tag].tolist() if batch.places else map(_second, walls)
        rows += zip(places, points.steps.tolist(), walls, repeat(tag), points.values.tolist())
    rows.sort(key=_place_and_step)
    for (place, step), group in groupby(rows, key=_place_and_step):
        together = list(group)
        yield place, Metrics(step, together[0][2], {tag: value for *_, tag, value in together})
