"""Prints any log of TensorBoard event files, from tuimon or any other framework, as text or as JSON lines."""

from __future__ import annotations

import math
import re
import sys
import time
from functools import partial
from pathlib import Path

import msgspec

from tuimon.base import format
from tuimon.base.errors import in_one_line
from tuimon.base.plain import one_line
from tuimon.cli.printing import event_text
from tuimon.cli.tagged import none_fits
from tuimon.launcher.runs import jsonl
from tuimon.log.batch import EventRecord, HistogramRecord, TextRecord
from tuimon.log.reader import RunReader
from tuimon.log.records import tag_of
from tuimon.log.store import LAYER_TAGS, STALE_S, problems_of

_SHORT = 60  # characters of a value in an event's short form


def dump(path: Path, json_lines: bool = False, wanted: re.Pattern[str] | None = None, in_full: bool = False) -> int:
    """Prints the records of a run's folder or of an event file to stdout, file by file.

    Args:
        path: the folder or file.
        json_lines: as JSON lines; events are always in full in these.
        wanted: print only tags in which this is found; those of tuimon's own events are `tuimon/run`, `tuimon/event`, ….
        in_full: print events as their JSON, not in short.

    Returns:
        0, or 1 if a file is damaged: the records before the damage are printed, and stderr says where it is.

    Raises:
        TuimonError: no tag is wanted.
    """
    reader = RunReader(path)
    render = jsonl.line if json_lines else partial(text_line, in_full=in_full)
    problems: dict[str, None] = {}  # in order, each once
    unshown: dict[str, str] = {}
    tags: dict[str, None] = {}
    ages, printed = _Ages(), False
    while batch := reader.read():
        unshown.update(batch.unshown)
        for whole in jsonl.records(batch):
            ages.see(whole)
            record = _part(whole, wanted, tags) if wanted else whole
            if record is None:
                continue
            printed = True
            try:
                sys.stdout.buffer.write(render(record))
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # of this record alone
                problems[f"{path}: a record cannot be printed: {in_one_line(error)}"] = None
    sys.stdout.flush()
    if wanted and not printed:
        raise none_fits(wanted, tags)
    for problem in [*problems_of(reader.damage, unshown), *problems]:
        print(f"tuimon: {one_line(str(problem))}", file=sys.stderr)
    if note := ages.note():
        print(f"tuimon: {note}", file=sys.stderr)
    return 1 if reader.damage or problems else 0


def _part(record: jsonl.Record, wanted: re.Pattern[str], tags: dict[str, None]) -> jsonl.Record | None:
    """What is wanted of a record; None if nothing is. Notes its tags."""
    if isinstance(record, jsonl.Metrics):
        tags.update(dict.fromkeys(record.values))
        values = {tag: value for tag, value in record.values.items() if wanted.search(tag)}
        return record._replace(values=values) if values else None
    tag = tag_of(record.event) if isinstance(record, EventRecord) else record.tag
    tags[tag] = None
    return record if wanted.search(tag) else None


class _Ages:
    """How old the latest sample of the layers is beside the latest record."""

    def __init__(self) -> None:
        self._last = self._sampled = math.nan
        self._step = 0

    def see(self, record: jsonl.Record) -> None:
        self._last = record.wall_time if math.isnan(self._last) else max(self._last, record.wall_time)
        if isinstance(record, jsonl.Metrics) and any(tag.startswith(LAYER_TAGS) for tag in record.values):
            self._sampled, self._step = record.wall_time, record.step

    def note(self) -> str:
        age_s = self._last - self._sampled
        if not age_s > STALE_S:
            return ""
        return f"the layers were last sampled at step {self._step}, {format.age(age_s)} before the last record"


def text_line(record: jsonl.Record, in_full: bool = False) -> bytes:
    """One record as one line: time, step, content; an event in short unless it is to be in full."""
    return f"{_when(record.wall_time)}  step {record.step:<8} {one_line(_content(record, in_full))}\n".encode()


def _when(wall_time: float) -> str:
    try:
        seconds = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall_time))
    except (ValueError, OverflowError, OSError):  # such as NaN: the writer had no clock, or a wrong one
        return f"{wall_time:<23g}"
    return f"{seconds}.{int(wall_time % 1 * 1000):03}"


def _content(record: jsonl.Record, in_full: bool) -> str:
    match record:
        case jsonl.Metrics():
            return "  ".join(f"{tag} {value:.6g}" for tag, value in record.values.items())
        case HistogramRecord():
            return f"{record.tag}  {record.counts.sum():g} values from {record.min:.6g} to {record.max:.6g}"
        case TextRecord():
            return f"{record.tag}  {record.text!r}"
        case EventRecord():
            return jsonl.encode(record.event).decode() if in_full else _in_short(record)


def _in_short(record: EventRecord) -> str:
    """An event's kind, and how the follower describes it; else its short fields."""
    kind = str(record.event.__struct_config__.tag)
    said = event_text(record) or ", ".join(
        f"{name} {value}"
        for name, value in msgspec.structs.asdict(record.event).items()
        if isinstance(value, str | int | float) and value is not False and 0 < len(str(value)) <= _SHORT
    )
    return f"{kind}  {said}"
