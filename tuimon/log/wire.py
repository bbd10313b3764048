"""How records become bytes: TFRecord frames around TensorBoard `Event` messages.

A frame is `length: u64, crc(length): u32, message, crc(message): u32`, little-endian, with masked CRC-32C
(tensorflow/core/lib/io/record_writer.h). The messages are tensorflow/core/util/event.proto and summary.proto. This module
only packs, by hand, because the training process pays for it: a step's scalars are one cached struct layout. Parsing, also of
other programs' logs, is done in `batch` with protobuf. Pure functions; any thread.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from crc32c import crc32c

from tuimon.log import histogram as bins
from tuimon.log.histogram import Histogram

HEADER = struct.Struct("<QI")
FOOTER = struct.Struct("<I")
FRAME_BYTES = HEADER.size + FOOTER.size
FILE_VERSION = b"brain.Event:2"

STEP_BYTES = 5
MAX_STEP = (1 << 7 * STEP_BYTES) - 1
FLOAT_MAX = 3.4028234663852886e38

_EVENT_WALL_TIME = b"\x09"  # field 1, 64 bit
_EVENT_STEP = b"\x10"  # field 2, varint
_EVENT_SUMMARY = b"\x2a"  # field 5, length-delimited
_VALUE = b"\x0a"  # Summary field 1
_VALUE_SIMPLE = b"\x15"  # Value field 2, 32 bit


def masked_crc(data: bytes | memoryview) -> int:
    """The CRC-32C of `data`, rotated and offset as TFRecord stores it."""
    crc = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def frame(message: bytes) -> bytes:
    """One whole record around a message."""
    length = struct.pack("<Q", len(message))
    return b"".join((length, FOOTER.pack(masked_crc(length)), message, FOOTER.pack(masked_crc(message))))


def varint(n: int) -> bytes:
    """The shortest varint of n ≥ 0."""
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def step_varint(step: int) -> bytes:
    """A step as a varint that always takes `STEP_BYTES` bytes.

    Padding is valid protobuf, and gives all records with the same tags the same layout, which readers decode in bulk.

    Raises:
        ValueError: outside 0 … `MAX_STEP`.
    """
    if not 0 <= step <= MAX_STEP:
        raise ValueError(f"step {step} is outside 0 … {MAX_STEP}")
    low = step & 0xFFFFFFF
    return bytes((low & 0x7F | 0x80, low >> 7 & 0x7F | 0x80, low >> 14 & 0x7F | 0x80, low >> 21 | 0x80, step >> 28))


def field(number: int, payload: bytes) -> bytes:
    """A length-delimited field."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def event(wall_time: float, step: int, summary: bytes) -> bytes:
    """An `Event` message around a `Summary` message."""
    when = _EVENT_WALL_TIME + struct.pack("<d", wall_time) + _EVENT_STEP + step_varint(step)
    return b"".join((when, _EVENT_SUMMARY, varint(len(summary)), summary))


def version_event(wall_time: float) -> bytes:
    """The `Event` that opens a file."""
    return _EVENT_WALL_TIME + struct.pack("<d", wall_time) + field(3, FILE_VERSION)


def to_float32(x: float) -> float:
    """A number that `struct` can pack into 32 bits: infinite if it is beyond their range."""
    x = float(x)
    return math.copysign(math.inf, x) if abs(x) > FLOAT_MAX else x


def scalar_value(tag: str, x: float) -> bytes:
    """A `Summary` holding one scalar (summaries concatenate)."""
    return field(1, field(1, utf8(tag)) + _VALUE_SIMPLE + struct.pack("<f", to_float32(x)))


def text_value(tag: str, text: str) -> bytes:
    """A `Summary` holding one text of TensorBoard's text plugin."""
    return strings_value(tag, "text", [utf8(text)])


def strings_value(tag: str, plugin: str, strings: Sequence[bytes]) -> bytes:
    """A `Summary` holding a string tensor of shape [n], for one of TensorBoard's plugins, or for another reader."""
    metadata = field(9, field(1, field(1, utf8(plugin))))
    shape = field(2, field(2, b"\x08" + varint(len(strings))))
    tensor = b"\x08\x07" + shape + b"".join(field(8, one) for one in strings)
    return field(1, field(1, utf8(tag)) + metadata + field(8, tensor))


def image_value(tag: str, height: int, width: int, channels: int, png: bytes) -> bytes:
    """A `Summary` holding one picture as a PNG file, for TensorBoard's images; 1 channel (grey) or 3 (RGB)."""
    extent = b"".join(bytes((8 * number,)) + varint(n) for number, n in ((1, height), (2, width), (3, channels)))
    return field(1, field(1, utf8(tag)) + field(4, extent + field(4, png)))


def histogram_value(tag: str, h: Histogram) -> bytes:
    """A `Summary` holding one histogram: the bins in use, each with its lower neighbour, whose edge is its lower bound."""
    filled = {i for i, count in enumerate(h.counts) if count} or {bins.ZERO}
    used = sorted(filled | {i - 1 for i in filled if i})
    counts = [float(h.counts[i]) for i in used]
    moments = struct.pack("<BdBdBdBdBd", 0x09, h.min, 0x11, h.max, 0x19, math.fsum(counts), 0x21, h.sum, 0x29, h.sum_squares)
    packed = struct.Struct(f"<{len(used)}d")
    buckets = field(6, packed.pack(*(_EDGES[i] for i in used))) + field(7, packed.pack(*counts))
    return field(1, field(1, utf8(tag)) + field(5, moments + buckets))


_EDGES = bins.edges()


class ScalarLayout:
    """The bytes of all records that carry one fixed sequence of scalar tags; only time, step and values differ."""

    def __init__(self, tags: Sequence[str]) -> None:
        heads = [_head(tag) for tag in tags]
        summary_bytes = sum(len(head) + 4 for head in heads)
        lead = _EVENT_SUMMARY + varint(summary_bytes)
        first, rest = (lead + heads[0], heads[1:]) if heads else (lead, [])
        fixed = [first, *rest]
        formats = "f".join(f"{len(part)}s" for part in fixed) + ("f" if heads else "")
        self._struct = struct.Struct(f"<1sd1sIB{formats}")
        self._parts: list[Any] = [_EVENT_WALL_TIME, 0.0, _EVENT_STEP, 0, 0]
        for part in fixed:
            self._parts += [part, 0.0] if heads else [part]
        length = struct.pack("<Q", self._struct.size)
        self._header = length + FOOTER.pack(masked_crc(length))

    def frame(self, wall_time: float, step: int, values: Iterable[float]) -> bytes:
        """One whole record. Raises ValueError for a step out of range, TypeError for a value that is not a number."""
        if not 0 <= step <= MAX_STEP:
            raise ValueError(f"step {step} is outside 0 … {MAX_STEP}")
        parts = self._parts.copy()
        parts[1] = wall_time
        # as `step_varint` has it, in one number of four bytes and one of one byte
        parts[3] = step & 0x7F | (step & 0x3F80) << 1 | (step & 0x1FC000) << 2 | (step & 0xFE00000) << 3 | 0x80808080
        parts[4] = step >> 28
        parts[6::2] = values
        try:
            message = self._struct.pack(*parts)
        except (OverflowError, struct.error):
            parts[6::2] = map(to_float32, parts[6::2])
            message = self._struct.pack(*parts)
        crc = crc32c(message)  # as `masked_crc` has it: a call is a tenth of what a record costs
        return self._header + message + FOOTER.pack(((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


def utf8(text: str) -> bytes:
    """A text as UTF-8; half of a surrogate pair, which has no encoding, is escaped."""
    return text.encode(errors="backslashreplace")


def _head(tag: str) -> bytes:
    """The bytes of a scalar value before its float."""
    name = field(1, utf8(tag)) + _VALUE_SIMPLE
    return _VALUE + varint(len(name) + 4) + name
