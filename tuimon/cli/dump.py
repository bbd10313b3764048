"""Prints any log of TensorBoard event files, from tuimon or any other framework, as text or as JSON lines."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

from tuimon.base import format
from tuimon.base.errors import in_one_line
from tuimon.base.plain import one_line
from tuimon.launcher.runs import jsonl
from tuimon.log.batch import EventRecord, HistogramRecord, TextRecord
from tuimon.log.reader import RunReader
from tuimon.log.store import LAYER_TAGS, STALE_S, problems_of


def dump(path: Path, json_lines: bool = False) -> int:
    """Prints every record of a run's folder or of an event file to stdout, file by file.

    Returns:
        0, or 1 if a file is damaged: the records before the damage are printed, and stderr says where it is.
    """
    reader = RunReader(path)
    render = jsonl.line if json_lines else text_line
    problems: dict[str, None] = {}  # in order, each once
    unshown: dict[str, str] = {}
    ages = _Ages()
    while batch := reader.read():
        unshown.update(batch.unshown)
        for record in jsonl.records(batch):
            ages.see(record)
            try:
                sys.stdout.buffer.write(render(record))
            except (ArithmeticError, LookupError, TypeError, ValueError) as error:  # of this record alone
                problems[f"{path}: a record cannot be printed: {in_one_line(error)}"] = None
    sys.stdout.flush()
    for problem in [*problems_of(reader.damage, unshown), *problems]:
        print(f"tuimon: {one_line(str(problem))}", file=sys.stderr)
    if note := ages.note():
        print(f"tuimon: {note}", file=sys.stderr)
    return 1 if reader.damage or problems else 0


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


def text_line(record: jsonl.Record) -> bytes:
    """One record as one line: time, step, content."""
    return f"{_when(record.wall_time)}  step {record.step:<8} {one_line(_content(record))}\n".encode()


def _when(wall_time: float) -> str:
    try:
        seconds = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(wall_time))
    except (ValueError, OverflowError, OSError):  # such as NaN: the writer had no clock, or a wrong one
        return f"{wall_time:<23g}"
    return f"{seconds}.{int(wall_time % 1 * 1000):03}"


def _content(record: jsonl.Record) -> str:
    match record:
        case jsonl.Metrics():
            return "  ".join(f"{tag} {value:.6g}" for tag, value in record.values.items())
        case HistogramRecord():
            return f"{record.tag}  {record.counts.sum():g} values from {record.min:.6g} to {record.max:.6g}"
        case TextRecord():
            return f"{record.tag}  {record.text!r}"
        case EventRecord():
            return jsonl.encode(record.event).decode()
