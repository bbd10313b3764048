"""A log's records as JSON lines, for other programs; `lines` has their types. Pure functions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby, repeat
from operator import itemgetter
from typing import NamedTuple

import msgspec

from tuimon.launcher.runs import lines
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
    return lines.encoded(_typed(record))


def end_line(status: Status, code: int, store: Store) -> bytes:
    """The last line: how the run ended, and the step and losses that `tuimon ls` shows."""
    loss, val_loss = latest(store, loss_tag(store)), latest(store, VALIDATION)
    ended = lines.EndLine(
        state=status.state, detail=status.detail, code=code, step=store.step, loss=loss, val_loss=val_loss
    )  # fmt: skip
    return lines.encoded(ended)


def _typed(record: Record) -> lines.JsonLine:
    match record:
        case Metrics():
            return lines.MetricsLine(**record._asdict())
        case HistogramRecord():
            return lines.HistogramLine(**record._asdict() | {"counts": record.counts.tolist()})
        case TextRecord():
            return lines.TextLine(**record._asdict())
        case EventRecord(step, wall_time, Finding() as finding):
            return lines.FindingLine(step=step, wall_time=wall_time, finding=finding)
    return lines.EventLine(step=record.step, wall_time=record.wall_time, event=record.event)


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
