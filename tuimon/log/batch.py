"""What one read of a log found, decoded: the only thing that readers hand on.

Turns the whole records of a buffer into a `Batch`. A record may hold anything: what cannot be decoded is left out and counted,
and the rest of the buffer is decoded all the same. Linear in bytes. Pure; numpy, and protobuf once a record is no plain scalar.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tuimon.base.errors import in_one_line
from tuimon.base.outside import MalformedError, OtherError, json_decoder
from tuimon.log import histogram as bins
from tuimon.log import layout
from tuimon.log.layout import MAX_TAG
from tuimon.log.lengths import Offsets
from tuimon.log.records import EVENT_TAG, FINDING_TAG, RUN_TAG, Event

_EVENT_TAGS = frozenset((RUN_TAG, EVENT_TAG, FINDING_TAG))
_EDGES = np.array(bins.edges())
_decode_event: Callable[[str | bytes], Event] = json_decoder(Event)

Floats = npt.NDArray[np.float64]


class Points(NamedTuple):
    """Scalars of one tag in the order of the log; three arrays of one length."""

    steps: npt.NDArray[np.int64]
    walls: Floats
    values: npt.NDArray[np.float32]


class HistogramRecord(NamedTuple):
    """One histogram over the fixed bins; `counts` is [BINS]. A foreign one is re-binned by the middles of its buckets."""

    tag: str
    step: int
    wall_time: float
    counts: Floats
    min: float
    max: float


class TextRecord(NamedTuple):
    """One text summary that is none of tuimon's own events."""

    tag: str
    step: int
    wall_time: float
    text: str


class EventRecord(NamedTuple):
    """One structured record, with when it was written."""

    step: int
    wall_time: float
    event: Event


class LeftOut(NamedTuple):
    """What could not be decoded in whole records: how many values, where the first one's record lies in the buffer, and why."""

    number: int
    offset: int
    reason: str


class Batch(NamedTuple):
    """Everything that one read found, in the order of the log within each kind."""

    scalars: dict[str, Points]
    histograms: Sequence[HistogramRecord] = ()
    texts: Sequence[TextRecord] = ()
    events: Sequence[EventRecord] = ()
    records: int = 0
    bytes: int = 0
    left_out: LeftOut | None = None

    def __bool__(self) -> bool:
        """Whether anything was read."""
        return self.bytes > 0


class _Loose(NamedTuple):
    """Records decoded one by one."""

    scalars: list[tuple[str, int, int, float, float]]  # tag, record, step, wall time, value
    histograms: list[HistogramRecord]
    texts: list[TextRecord]
    events: list[EventRecord]
    faults: list[tuple[int, str]]  # record, reason


def decode(buffer: bytes, starts: Offsets, lengths: Offsets, used: int) -> Batch:
    """Decodes the whole records of a buffer."""
    columns, others = layout.decode(buffer, starts, lengths)
    loose = _Loose([], [], [], [], [])
    for i in others:
        _decode_one(buffer[starts[i] : starts[i] + lengths[i]], int(i), loose)
    scalars = _join(columns, loose.scalars)
    left_out = _left_out(loose.faults, starts)
    return Batch(scalars, loose.histograms, loose.texts, loose.events, len(starts), used, left_out)


def _left_out(faults: Sequence[tuple[int, str]], starts: Offsets) -> LeftOut | None:
    if not faults:
        return None
    record, reason = faults[0]
    return LeftOut(len(faults), int(starts[record]), reason)


def _join(columns: Iterable[layout.Columns], loose: Iterable[tuple[str, int, int, float, float]]) -> dict[str, Points]:
    """Brings the pieces of each tag back into the order of the log."""
    pieces: dict[str, list[tuple[Any, Any, Any, Any]]] = {}
    for column in columns:
        for tag, values in column.values.items():
            pieces.setdefault(tag, []).append((column.places, column.steps, column.walls, values))
    with np.errstate(over="ignore"):  # a double beyond a float's range is infinite
        for tag, record, step, wall, value in loose:
            pieces.setdefault(tag, []).append(([record], [step], [wall], np.array([value], np.float32)))
    return {tag: _in_order(parts) for tag, parts in pieces.items()}


def _in_order(parts: list[tuple[Any, Any, Any, Any]]) -> Points:
    if len(parts) == 1:
        _, steps, walls, values = parts[0]
        return Points(np.asarray(steps, np.int64), np.asarray(walls, np.float64), values)
    order = np.argsort(np.concatenate([p[0] for p in parts]), kind="stable")
    steps, walls, values = (np.concatenate([p[i] for p in parts])[order] for i in (1, 2, 3))
    return Points(steps.astype(np.int64), walls, values)


def _decode_one(record: bytes, index: int, out: _Loose) -> None:
    from google.protobuf.message import DecodeError

    from tuimon.log.protos import Event as EventMessage

    try:
        message = EventMessage.FromString(record)
    except DecodeError:
        out.faults.append((index, "it is no message that is known"))
        return
    for value in message.summary.value:
        try:
            _decode_value(value, index, message.step, message.wall_time, out)
        except MalformedError as error:
            out.faults.append((index, str(error)))
        except Exception as error:  # whatever others wrote: the rest can be read
            out.faults.append((index, in_one_line(error)))


def _decode_value(value: Any, index: int, step: int, wall: float, out: _Loose) -> None:
    kind = value.WhichOneof("value")
    if kind and len(value.tag) > MAX_TAG:
        raise MalformedError(f"a tag of more than {MAX_TAG} characters")
    if kind == "simple_value":
        out.scalars.append((value.tag, index, step, wall, value.simple_value))
    elif kind == "histo":
        out.histograms.append(_histogram(value.tag, step, wall, value.histo))
    elif kind == "tensor":
        _decode_tensor(value, index, step, wall, out)


def _decode_tensor(value: Any, index: int, step: int, wall: float, out: _Loose) -> None:
    """What TensorFlow 2 writes in place of plain scalars and histograms; and texts."""
    tensor = value.tensor
    if tensor.string_val:
        _decode_text(value.tag, step, wall, b"\n".join(tensor.string_val).decode(errors="replace"), out)
        return
    numbers = _numbers(tensor)
    if numbers.size == 1:
        out.scalars.append((value.tag, index, step, wall, float(numbers[0])))
    elif value.metadata.plugin_data.plugin_name == "histograms" and numbers.size and numbers.size % 3 == 0:
        rows = numbers.reshape(-1, 3)
        counts = _rebin(rows[:, 0], rows[:, 1], rows[:, 2])
        out.histograms.append(HistogramRecord(value.tag, step, wall, counts, float(rows[0, 0]), float(rows[-1, 1])))


def _decode_text(tag: str, step: int, wall: float, text: str, out: _Loose) -> None:
    if tag not in _EVENT_TAGS:
        out.texts.append(TextRecord(tag, step, wall, text))
        return
    try:
        out.events.append(EventRecord(step, wall, _decode_event(text)))
    except OtherError:  # a later version's event: shown as the text it is
        out.texts.append(TextRecord(tag, step, wall, text))


_CONTENT_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # tensorflow/core/framework/types.proto


def _numbers(tensor: Any) -> Floats:
    if tensor.tensor_content and tensor.dtype in _CONTENT_TYPES:
        kind = np.dtype(_CONTENT_TYPES[tensor.dtype])
        whole = len(tensor.tensor_content) // kind.itemsize * kind.itemsize
        return np.frombuffer(tensor.tensor_content[:whole], kind).astype(np.float64)
    lists = (tensor.float_val, tensor.double_val, tensor.int_val, tensor.int64_val)
    return np.array(next((list(numbers) for numbers in lists if numbers), []), np.float64)


def _histogram(tag: str, step: int, wall: float, message: Any) -> HistogramRecord:
    limits, counts = np.array(message.bucket_limit), np.array(message.bucket)
    places = np.searchsorted(_EDGES, limits)
    if len(limits) == len(counts) and (places < bins.BINS).all() and (_EDGES[places] == limits).all():
        ours = np.zeros(bins.BINS)
        ours[places] = counts
    else:
        n = min(len(limits), len(counts))
        lows = np.concatenate([[message.min], limits[: max(n - 1, 0)]])[:n]
        ours = _rebin(np.maximum(lows, message.min), np.minimum(limits[:n], message.max), counts[:n])
    return HistogramRecord(tag, step, wall, ours, message.min, message.max)


def _rebin(lows: Floats, highs: Floats, counts: Floats) -> Floats:
    """Counts of foreign buckets, each put where its middle lies; all arrays [n]; returns [BINS]."""
    with np.errstate(over="ignore", invalid="ignore"):
        places = np.searchsorted(_EDGES, (lows + highs) / 2).clip(0, bins.BINS - 1)
    return np.bincount(places, counts, bins.BINS).astype(np.float64)
