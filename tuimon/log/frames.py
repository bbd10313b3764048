"""Finds whole records in the bytes of an event file, and tells a torn tail from damage.

Pure functions over bytes; knows nothing of files or messages. A log that is being written may end anywhere: an unfinished last
record means "not yet". A record whose bytes do not match their checksum is skipped, as its length has a checksum of its own;
where neither matches, the file stops being readable.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tuimon.log.checksums import masked_crcs
from tuimon.log.lengths import Offsets, cut
from tuimon.log.wire import FOOTER, FRAME_BYTES, HEADER, masked_crc

# A larger record counts as damage: a wrong length must not make a reader wait forever for bytes that never come.
MAX_RECORD_BYTES = 1 << 28

_WRONG_LENGTH = "a record's length does not match its checksum"
WRONG_BYTES = "its bytes do not match their checksum"

_LOOKED_AT = 4  # times the bytes of a buffer that are read in search of a record within it

_TABLED = 1 << 16

_NONE = np.empty(0, np.int64)
_SEEN = 128  # records followed one by one before checking whether their lengths repeat


class Frames(NamedTuple):
    """The whole records at the start of a buffer.

    Attributes:
        starts: [n], where each message begins in the buffer.
        lengths: [n], its bytes.
        used: bytes of whole records; what follows is an unfinished record, or damage.
        damage: why the bytes from `used` on can never become a record; empty if they may.
        skipped: [m], where the records begin that are whole and damaged; only their lengths can be trusted.
        skipped_bytes: how many bytes those have.
    """

    starts: Offsets
    lengths: Offsets
    used: int
    damage: str
    skipped: Offsets
    skipped_bytes: int


def split(buffer: bytes) -> Frames:
    """Splits a buffer that begins at a record's start."""
    places = _places(buffer)
    starts, lengths = places[:-1] + HEADER.size, np.diff(places) - FRAME_BYTES
    held = _held(buffer, starts, lengths)
    starts, lengths, used = starts[:held], lengths[:held], int(places[held])
    right = _are_right(buffer, starts, lengths)
    damage = _damage(buffer, used)
    if right.all():
        return Frames(starts, lengths, used, damage, _NONE, 0)
    skipped_bytes = int(lengths[~right].sum()) + FRAME_BYTES * int((~right).sum())
    return Frames(starts[right], lengths[right], used, damage, starts[~right] - HEADER.size, skipped_bytes)


def resync(buffer: bytes) -> int | None:
    """Where the first whole record begins in a buffer from the middle of a log; None if there is none.

    TFRecord has no sync marks, but the length of each record has its own checksum. The search stops if too many places that
    look like a record turn out not to be one.
    """
    raw = np.frombuffer(buffer, np.uint8)
    if len(raw) < FRAME_BYTES:
        return None
    span = len(raw) - FRAME_BYTES + 1
    high_bytes_are_zero = np.ones(span, bool)
    for i in range(4, 8):
        high_bytes_are_zero &= raw[i : i + span] == 0
    maybe = np.flatnonzero(high_bytes_are_zero)
    lengths = np.lib.stride_tricks.sliding_window_view(raw, 4)[maybe].view("<u4")[:, 0].astype(np.int64)
    left = _LOOKED_AT * len(raw)
    for start in maybe[
        (lengths > 0) & (lengths <= len(raw) - FRAME_BYTES - maybe)
    ].tolist():  # in a histogram, most bytes are 0
        if _header_is_good(buffer, start):
            if len(split_one(buffer, start)) == 1:
                return int(start)
            left -= HEADER.unpack_from(buffer, start)[0]
            if left < 0:
                return None
    return None


def size_of_first(buffer: bytes | bytearray) -> int:
    """Size in bytes of the first record of a buffer, frame included; 0 if the buffer is too short to know it."""
    return HEADER.unpack_from(buffer, 0)[0] + FRAME_BYTES if len(buffer) >= HEADER.size else 0


def begins_record(buffer: bytes) -> bool:
    """Whether a buffer begins with a record's header: its length and the checksum of that."""
    return len(buffer) >= HEADER.size and _header_is_good(buffer, 0)


def split_one(buffer: bytes, start: int) -> Offsets:
    """The start of the record at `start`, or nothing if that record is not complete and valid."""
    (length, _) = HEADER.unpack_from(buffer, start)
    return split(buffer[start : start + length + FRAME_BYTES]).starts


def _places(buffer: bytes) -> Offsets:
    """Where each whole record begins, and where the last one ends. This is the hot loop of reading: it only looks at lengths.

    Most programs write the same records at each step. So lengths are followed one by one only until they repeat; then the
    next ones are predicted, and checked for many records at a time.
    """
    unpack, frame = HEADER.unpack_from, FRAME_BYTES
    pieces = []
    place, last = 0, len(buffer) - frame
    while place <= last:
        places: list[int] = []
        while place <= last and len(places) < _SEEN:
            places.append(place)
            place += unpack(buffer, place)[0] + frame
        if place > len(buffer):  # the last record is not whole
            place, last = places.pop(), -1
        pieces.append(np.array(places, np.int64))
        if len(places) == _SEEN:
            for piece in _foresee(buffer, place, np.diff(places, append=place)):
                pieces.append(piece[:-1])
                place = int(piece[-1])
    return np.concatenate([*pieces, [place]])


def _foresee(buffer: bytes, place: int, sizes: Offsets) -> Iterator[Offsets]:
    """Where the records from `place` on begin, as long as they repeat the earlier `sizes`, in growing pieces.

    The last element of each piece is the place after it.
    """
    half = len(sizes) // 2
    repeats = np.flatnonzero((np.lib.stride_tricks.sliding_window_view(sizes, half)[:-1] == sizes[-half:]).all(axis=1))
    cycle = sizes[repeats[-1] - half :] if len(repeats) else sizes[:0]
    rounds = 1
    while len(cycle) and (rounds := min(4 * rounds, (len(buffer) - place) // int(cycle.sum()))):
        expected = np.tile(cycle, rounds)
        places = place + np.cumsum(np.append(0, expected))
        wrong = np.flatnonzero(cut(buffer, places[:-1], 8).view("<i8")[:, 0] != expected - FRAME_BYTES)
        if len(wrong):
            yield places[: wrong[0] + 1]
            return
        yield places
        place = int(places[-1])


def _held(buffer: bytes, starts: Offsets, lengths: Offsets) -> int:
    """How many records, from the first, have a valid checksum of their length."""
    if not len(starts):
        return 0
    headers = cut(buffer, starts - FOOTER.size, FOOTER.size).view("<u4")[:, 0]
    wrong = np.flatnonzero(headers != _crcs_of(lengths))
    return int(wrong[0]) if len(wrong) else len(starts)


def _crcs_of(lengths: Offsets) -> npt.NDArray[np.uint32]:
    """The checksum of each length, as headers store it. A log has few different lengths, so they are looked up in a table."""
    short = int(lengths.max()) < _TABLED
    distinct, which = (np.flatnonzero(np.bincount(lengths)), lengths) if short else np.unique(lengths, return_inverse=True)
    table = np.zeros(int(distinct[-1]) + 1 if short else len(distinct), np.uint32)
    table[distinct if short else slice(None)] = [masked_crc(struct.pack("<Q", length)) for length in distinct.tolist()]
    return table[which]


def _are_right(buffer: bytes, starts: Offsets, lengths: Offsets) -> npt.NDArray[np.bool_]:
    """Whether each message matches its checksum; [n]."""
    if not len(starts):
        return np.ones(0, bool)
    footers = cut(buffer, starts + lengths, FOOTER.size).view("<u4")[:, 0]
    right: npt.NDArray[np.bool_] = masked_crcs(buffer, starts, lengths) == footers
    return right


def _damage(buffer: bytes, used: int) -> str:
    """Why the record that begins at `used` can never be whole; "" if it may."""
    if len(buffer) - used < HEADER.size:
        return ""
    if not _header_is_good(buffer, used):
        return _WRONG_LENGTH
    if HEADER.unpack_from(buffer, used)[0] > MAX_RECORD_BYTES:
        return f"a record claims to be larger than {MAX_RECORD_BYTES >> 20} MiB"
    return ""


def _header_is_good(buffer: bytes, start: int) -> bool:
    return bool(masked_crc(buffer[start : start + 8]) == HEADER.unpack_from(buffer, start)[1])
