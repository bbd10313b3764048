"""What one read of a log found, decoded: the only thing that readers hand on.

Turns the whole records of a buffer into a `Batch`. A record may hold anything: what cannot be decoded is left out and counted,
and the rest of the buffer is decoded all the same. Linear in bytes. Pure; numpy, and protobuf once a record is no plain scalar.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from tuimon.base.errors import in_one_line
from tuimon.base.outside import MalformedError, OtherError, json_decoder
from tuimon.log import histogram as bins
from tuimon.log import layout, packed, tensors
from tuimon.log.files import Damage
from tuimon.log.layout import MAX_TAG
from tuimon.log.lengths import Offsets
from tuimon.log.pictures import PREFIX
from tuimon.log.records import EVENT_TAG, FINDING_TAG, RUN_TAG, Event

_EVENT_TAGS = frozenset((RUN_TAG, EVENT_TAG, FINDING_TAG))
_BRIEF = tuple(tag.encode() for tag in (*_EVENT_TAGS, packed.PREFIX))  # what a brief reader decodes, besides plain scalars
MAX_COUNTED = 1e30  # in a bin of a histogram
_EDGES = np.array(bins.edges())
_SETTINGS = ("hparams", "custom_scalars")  # plugins whose data are settings, not values to show
_PLUGINS = {
    "images": "an image",
    "audio": "a sound",
    "pr_curves": "a precision-recall curve",
    "mesh": "a mesh",
}
_FLOAT32_MAX = float(np.finfo(np.float32).max)
_decode_event: Callable[[str | bytes], Event] = json_decoder(Event)

Floats = npt.NDArray[np.float64]


class Points(NamedTuple):
    """Scalars of one tag, in the order of the log: three arrays of the same length."""

    steps: npt.NDArray[np.int64]
    walls: Floats
    values: npt.NDArray[np.float32]


class HistogramRecord(NamedTuple):
    """One histogram over the fixed bins; `counts` is [BINS]. Each bucket of a foreign one is put where its middle lies."""

    tag: str
    step: int
    wall_time: float
    counts: Floats
    min: float
    max: float


class TextRecord(NamedTuple):
    """One text summary that is not one of tuimon's own events."""

    tag: str
    step: int
    wall_time: float
    text: str


class PictureRecord(NamedTuple):
    """One of tuimon's own pictures, as a PNG file; see `pictures`."""

    tag: str
    step: int
    wall_time: float
    png: bytes


class EventRecord(NamedTuple):
    """One structured record, and when it was written."""

    step: int
    wall_time: float
    event: Event


class LeftOut(NamedTuple):
    """Records or values that could not be read: how many, where the first one is in the buffer, why, and how many bytes."""

    number: int
    offset: int
    reason: str
    bytes: int = 0


class Places(NamedTuple):
    """Which record each part of a batch comes from: the order of the log across kinds, whatever the clock did."""

    scalars: Mapping[str, Offsets]
    histograms: Sequence[int]
    texts: Sequence[int]
    events: Sequence[int]


class Batch(NamedTuple):
    """Everything that one read found, in the order of the log within each kind; across kinds, `places` tells.

    `unshown` has the tags with values that tuimon does not show, and what those values are. `damage` is only set for a part
    read out of a file.
    """

    scalars: dict[str, Points]
    histograms: Sequence[HistogramRecord] = ()
    texts: Sequence[TextRecord] = ()
    events: Sequence[EventRecord] = ()
    records: int = 0
    bytes: int = 0
    left_out: LeftOut | None = None
    unshown: Mapping[str, str] = {}
    damage: Sequence[Damage] = ()
    places: Places | None = None
    pictures: Sequence[PictureRecord] = ()

    def __bool__(self) -> bool:
        """Whether anything was read."""
        return self.bytes > 0


@dataclasses.dataclass
class Known:
    """What earlier records of a run said that later ones leave out.

    Attributes:
        plugins: by tag, the TensorBoard plugin that its values are for.
        packed: by tag of packed numbers, their tags.
    """

    plugins: dict[str, str] = dataclasses.field(default_factory=dict)
    packed: dict[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)


class _Rows(NamedTuple):
    """Scalars of one tag that were decoded one by one."""

    places: list[int]
    steps: list[int]
    walls: list[float]
    values: list[float]


class _Packed(NamedTuple):
    """Packed numbers of the same tags."""

    places: list[int]
    steps: list[int]
    walls: list[float]
    numbers: list[npt.NDArray[np.float32]]


class _Loose(NamedTuple):
    """Records decoded one by one."""

    known: Known
    packed: dict[tuple[str, ...], _Packed]
    scalars: dict[str, _Rows]
    histograms: list[HistogramRecord]
    texts: list[TextRecord]
    events: list[EventRecord]
    faults: list[tuple[int, str]]  # record, reason
    unshown: dict[str, str]
    places: tuple[list[int], list[int], list[int]]  # of histograms, texts and events
    pictures: list[PictureRecord]


class _At(NamedTuple):
    """Where and when a value was logged."""

    record: int
    step: int
    wall: float


def decode(
    buffer: bytes, starts: Offsets, lengths: Offsets, used: int, known: Known | None = None, brief: bool = False
) -> Batch:
    """Decodes the whole records of a buffer.

    Args:
        buffer: bytes of a log.
        starts: [n], where each record's message begins.
        lengths: [n], its bytes.
        used: how many bytes of the log this batch covers.
        known: what earlier records of this run said; updated with what these say.
        brief: of records that hold more than plain scalars, decodes only packed ones and those with tuimon's own events.
    """
    columns, others = layout.decode(buffer, starts, lengths)
    loose = _Loose(Known() if known is None else known, {}, {}, [], [], [], [], {}, ([], [], []), [])
    for i in others:
        record = buffer[starts[i] : starts[i] + lengths[i]]
        if not brief or any(tag in record for tag in _BRIEF):
            _decode_one(record, int(i), loose)
    scalars, places = _join([*columns, *_unpacked(loose.packed)], loose.scalars)
    return Batch(
        scalars,
        loose.histograms,
        loose.texts,
        loose.events,
        len(starts),
        used,
        _left_out(loose.faults, starts, lengths),
        loose.unshown,
        places=Places(places, *loose.places),
        pictures=loose.pictures,
    )


def _left_out(faults: Sequence[tuple[int, str]], starts: Offsets, lengths: Offsets) -> LeftOut | None:
    if not faults:
        return None
    record, reason = faults[0]
    return LeftOut(len(faults), int(starts[record]), reason, int(sum(lengths[i] for i in {i for i, _ in faults})))


def _join(columns: Iterable[layout.Columns], loose: Mapping[str, _Rows]) -> tuple[dict[str, Points], dict[str, Offsets]]:
    """Puts the pieces of each tag back into the order of the log; returns its points, and which records they are from."""
    pieces: dict[str, list[tuple[Any, Any, Any, Any]]] = {}
    for column in columns:
        for tag, values in column.values.items():
            pieces.setdefault(tag, []).append((column.places, column.steps, column.walls, values))
    with np.errstate(over="ignore", invalid="ignore"):  # a double beyond a float's range is infinite
        for tag, rows in loose.items():
            values = np.array(rows.values, np.float64).astype(np.float32)
            pieces.setdefault(tag, []).append((rows.places, rows.steps, rows.walls, values))
    joined = {tag: _in_order(parts) for tag, parts in pieces.items()}
    return {tag: points for tag, (points, _) in joined.items()}, {tag: places for tag, (_, places) in joined.items()}


def _unpacked(found: Mapping[tuple[str, ...], _Packed]) -> Iterator[layout.Columns]:
    for tags, rows in found.items():
        places, steps, walls = np.array(rows.places), np.array(rows.steps, np.int64), np.array(rows.walls)
        yield layout.Columns(places, steps, walls, dict(zip(tags, np.stack(rows.numbers, 1), strict=True)))


def _in_order(parts: list[tuple[Any, Any, Any, Any]]) -> tuple[Points, Offsets]:
    if len(parts) == 1:
        places, steps, walls, values = parts[0]
        points = Points(np.asarray(steps, np.int64), np.asarray(walls, np.float64), _quiet(values))
        return points, np.asarray(places, np.int64)
    places = np.concatenate([p[0] for p in parts])
    order = np.argsort(places, kind="stable")
    steps, walls, values = (np.concatenate([p[i] for p in parts])[order] for i in (1, 2, 3))
    return Points(steps.astype(np.int64), walls, _quiet(values)), places[order].astype(np.int64)


def _quiet(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The values with each NaN as numpy's own: some bit patterns, which others wrote, make each conversion warn."""
    bad = np.isnan(values)
    return np.where(bad, np.float32(np.nan), values) if bad.any() else values


def _decode_one(record: bytes, index: int, out: _Loose) -> None:
    from google.protobuf.message import DecodeError

    from tuimon.log.protos import Event as EventMessage

    try:
        message = EventMessage.FromString(record)
    except DecodeError:
        out.faults.append((index, "it is no message that is known"))
        return
    at = _At(index, message.step, message.wall_time)
    for value in message.summary.value:
        try:
            _decode_value(value, at, out)
        except tensors.NotNumbersError as error:
            out.unshown[value.tag] = str(error)
        except MalformedError as error:
            out.faults.append((index, str(error)))
        except Exception as error:  # whatever others wrote: the rest can be read
            out.faults.append((index, in_one_line(error)))
    kinds: tuple[Sequence[object], ...] = (out.histograms, out.texts, out.events)
    for found, places in zip(kinds, out.places, strict=True):
        places += [index] * (len(found) - len(places))


def _decode_value(value: Any, at: _At, out: _Loose) -> None:
    kind = value.WhichOneof("value")
    if kind and len(value.tag) > MAX_TAG:
        raise MalformedError(f"a tag of more than {MAX_TAG} characters")
    if kind == "simple_value":
        _add_scalar(value.tag, at, value.simple_value, out)
    elif kind == "histo":
        out.histograms.append(_histogram(value.tag, at.step, at.wall, value.histo))
    elif kind == "tensor":
        _decode_tensor(value, at, out)
    elif kind == "image" and value.tag.startswith(PREFIX):
        out.pictures.append(PictureRecord(value.tag, at.step, at.wall, value.image.encoded_image_string))
    elif kind in ("image", "audio"):
        out.unshown[value.tag] = "an image" if kind == "image" else "a sound"


def _add_scalar(tag: str, at: _At, value: float, out: _Loose) -> None:
    rows = out.scalars.get(tag)
    if rows is None:
        rows = out.scalars[tag] = _Rows([], [], [], [])
    rows.places.append(at.record)
    rows.steps.append(at.step)
    rows.walls.append(at.wall)
    rows.values.append(value)


def _decode_tensor(value: Any, at: _At, out: _Loose) -> None:
    """Decodes what TensorFlow 2 writes instead of plain scalars and histograms, and texts."""
    tensor = value.tensor
    plugins = out.known.plugins
    plugin = plugins.get(value.tag) or plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
    if tensor.string_val and plugin in ("", "text"):
        _decode_text(value.tag, at.step, at.wall, b"\n".join(tensor.string_val).decode(errors="replace"), out)
    elif plugin == packed.PLUGIN and value.tag.startswith(packed.PREFIX):
        _decode_packed(value.tag, tensor.string_val, at, out)
    elif plugin == "histograms":
        _decode_buckets(value.tag, tensor, at, out)
    elif plugin in ("", "scalars"):
        number = tensors.scalar(tensor)
        if abs(number) > _FLOAT32_MAX and not math.isinf(number):
            out.unshown[value.tag] = f"{number:g}, which is beyond float32"
        _add_scalar(value.tag, at, number, out)
    elif plugin not in _SETTINGS:
        out.unshown[value.tag] = _PLUGINS.get(plugin, f"data of the plugin {plugin}")


def _decode_packed(tag: str, strings: Sequence[bytes], at: _At, out: _Loose) -> None:
    """Decodes packed numbers. Those are left out whose tags are not known: their record is damaged, or before what is read."""
    if len(strings) > 1:
        out.known.packed[tag] = packed.tags(strings[1])
    tags = out.known.packed.get(tag)
    if strings and tags:
        numbers = packed.numbers(strings[0], len(tags))
        rows = out.packed.setdefault(tags, _Packed([], [], [], []))
        rows.places.append(at.record)
        rows.steps.append(at.step)
        rows.walls.append(at.wall)
        rows.numbers.append(numbers)


def _decode_buckets(tag: str, tensor: Any, at: _At, out: _Loose) -> None:
    numbers = tensors.numbers(tensor)
    if len(numbers) % 3:
        raise tensors.NotNumbersError(f"a histogram of {len(numbers)} numbers, not a multiple of 3")
    if len(numbers):
        lows, highs, counts = numbers.reshape(-1, 3).T
        ours = _rebin(lows, highs, counts)
        out.histograms.append(HistogramRecord(tag, at.step, at.wall, _plausible(ours), float(lows[0]), float(highs[-1])))


def _decode_text(tag: str, step: int, wall: float, text: str, out: _Loose) -> None:
    if tag not in _EVENT_TAGS:
        out.texts.append(TextRecord(tag, step, wall, text))
        return
    try:
        out.events.append(EventRecord(step, wall, _decode_event(text)))
    except OtherError:  # a later version's event: shown as the text it is
        out.texts.append(TextRecord(tag, step, wall, text))


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
    return HistogramRecord(tag, step, wall, _plausible(ours), message.min, message.max)


def _plausible(counts: Floats) -> Floats:
    """Counts that can be added up and drawn: what is none is 0, and what is too large is very large."""
    return np.nan_to_num(counts).clip(0.0, MAX_COUNTED)


def _rebin(lows: Floats, highs: Floats, counts: Floats) -> Floats:
    """Puts the count of each foreign bucket [n] into the bin where the bucket's middle lies; returns [BINS]."""
    with np.errstate(over="ignore", invalid="ignore"):
        places = np.searchsorted(_EDGES, (lows + highs) / 2).clip(0, bins.BINS - 1)
    return np.bincount(places, counts, bins.BINS).astype(np.float64)
