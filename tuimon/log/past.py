"""Copies what a run's log has up to a step into another run's folder, so that the curves of a fork begin with its parent's.

Records are copied as they are; of tuimon's own events, only what was done to the run. A copy needs no reader that knows of
forks, TensorBoard's page included, and outlives the parent. Linear in bytes; memory for one piece at a time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from tuimon.base.process import host_name
from tuimon.log import frames, layout, wire
from tuimon.log.batch import EventRecord
from tuimon.log.files import event_files, new_name
from tuimon.log.lengths import Offsets
from tuimon.log.records import EVENT_TAG, FINDING_TAG, RUN_TAG, Applied, Forked, RunStarted, tag_of

_PIECE_BYTES = 8 << 20
_OWN = frozenset((RUN_TAG, EVENT_TAG, FINDING_TAG))
_SUFFIX = "past"  # ends the file's name


def copy_past(run: Path, step: int, events: Sequence[EventRecord], target: Path) -> Path:
    """Writes one event file into a folder, with everything that a run logged up to a step.

    Args:
        run: the run's folder; it may still be logging.
        step: the last step to copy.
        events: the run's events, in the order of its log.
        target: the folder, which has no event file yet.

    Returns:
        The file.

    Raises:
        OSError: it cannot be read or written.
    """
    path = target / new_name(target, f"{host_name()}.{os.getpid()}.000.{_SUFFIX}")
    with open(path, "xb") as out:
        out.write(wire.frame(wire.version_event(_first_wall(events))))
        for file in event_files(run):
            for record in _records_until(step, file):
                out.write(record)
        for event in done_until(step, events):
            text = wire.text_value(tag_of(event.event), msgspec.json.encode(event.event).decode())
            out.write(wire.frame(wire.event(event.wall_time, event.step, text)))
    return path


def done_until(step: int, events: Sequence[EventRecord]) -> list[EventRecord]:
    """What was done to a run up to a step, without what was lost when it was resumed from an earlier checkpoint."""
    done: list[EventRecord] = []
    for record in events:
        match record.event:
            case RunStarted(first_step=first) if first:
                done = [known for known in done if known.step <= first]
            case Applied(new=new, mid_step=mid_step) if new is not None and (record.step, mid_step) <= (step, False):
                done.append(record)
            case Forked(step=begun) if begun <= step and record not in done:
                done.append(record)
    return done


def _first_wall(events: Sequence[EventRecord]) -> float:
    return events[0].wall_time if events else 0.0


def _records_until(step: int, file: Path) -> Iterator[bytes]:
    """The records of one file that are not tuimon's own events and not later than a step, each with its frame."""
    with open(file, "rb") as log:
        for buffer, found in _pieces(log):
            for i in _wanted(buffer, found.starts, found.lengths, step):
                start = int(found.starts[i]) - wire.HEADER.size
                yield buffer[start : start + int(found.lengths[i]) + wire.FRAME_BYTES]


def _pieces(log: BinaryIO) -> Iterator[tuple[bytes, frames.Frames]]:
    rest = b""
    while new := log.read(max(_PIECE_BYTES, frames.size_of_first(rest) - len(rest))):
        buffer = rest + new
        found = frames.split(buffer)
        yield buffer, found
        if found.damage:
            return
        rest = buffer[found.used :]


def _wanted(buffer: bytes, starts: Offsets, lengths: Offsets, step: int) -> list[int]:
    columns, others = layout.decode(buffer, starts, lengths)
    wanted = [int(place) for column in columns for place in column.places[column.steps <= step]]
    wanted += [int(i) for i in others if _is_wanted(buffer[starts[i] : starts[i] + lengths[i]], step)]
    return sorted(wanted)


def _is_wanted(record: bytes, step: int) -> bool:
    from google.protobuf.message import DecodeError

    from tuimon.log.protos import Event

    try:
        message = Event.FromString(record)
    except DecodeError:
        return False
    values = message.summary.value
    return len(values) > 0 and message.step <= step and not any(value.tag in _OWN for value in values)
