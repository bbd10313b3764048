"""Decodes records that hold only scalars, many at a time.

Records that were written for the same tags share one byte layout: only the time, the step and the values differ. One record of
a layout is parsed in Python, and all others like it are then read as columns of a byte matrix. What has no such layout (texts,
histograms, tensors) is left to protobuf. Pure functions; numpy.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tuimon.log.lengths import Bytes, Offsets, by_length, cut

MAX_LAYOUTS = 64  # of one length in one buffer; beyond that the rows are left to protobuf
MAX_TAG = 4096  # characters of a tag; a value with a longer one is left out
_WORD = 8  # rows are compared in 64-bit words
_VARINT_BYTES = 10  # of a 64-bit number


class Columns(NamedTuple):
    """Scalars of records with the same tags. `places` [n] is their order in the buffer; values are [n] per tag."""

    places: Offsets
    steps: npt.NDArray[np.int64]
    walls: npt.NDArray[np.float64]
    values: dict[str, npt.NDArray[np.float32]]


class _Layout(NamedTuple):
    fixed: Bytes  # [record bytes, in whole words] the bits that are the same in each record of the layout
    step: tuple[int, int]  # from, to; empty when the step is left out, which means 0
    values: dict[str, int]  # tag → offset of its four bytes


def decode(buffer: bytes, starts: Offsets, lengths: Offsets) -> tuple[list[Columns], Offsets]:
    """The scalar-only records of a buffer, and the indices of all other records."""
    padded = buffer + bytes(_WORD)
    columns: list[Columns] = []
    others: list[Offsets] = []
    for index in by_length(lengths):
        length = int(lengths[index[0]])
        whole_words = cut(padded, starts[index], -(-length // _WORD) * _WORD)
        others.append(_decode_rows(whole_words, length, index, columns))
    return columns, np.sort(np.concatenate(others)) if others else np.empty(0, np.int64)


def _decode_rows(rows: Bytes, length: int, index: Offsets, columns: list[Columns]) -> Offsets:
    """Decodes rows of one length (padded to whole words), one layout after another; returns the indices of the rest."""
    others: list[int] = []
    left: Offsets = np.arange(len(rows))
    taken = np.zeros(len(rows), bool)
    for _ in range(MAX_LAYOUTS):
        if not len(left):
            break
        first = int(left[0])
        layout = _parse(rows[first, :length].tobytes())
        if layout is None:
            others.append(first)
            left = left[1:]
            continue
        same = _matching(rows, left, layout)
        if len(same) == len(rows):
            columns.append(_read(rows, index, layout))
            return index[:0]
        columns.append(_read(rows[same], index[same], layout))
        taken[same] = True
        left = left[~taken[left]]
    remaining: Offsets = index[np.concatenate([np.array(others, np.int64), left])]
    return remaining


def _matching(rows: Bytes, left: Offsets, layout: _Layout) -> Offsets:
    """Which of the remaining rows have the same layout as the first of them."""
    words, fixed, same = rows.view(np.uint64), layout.fixed.view(np.uint64), left
    if len(fixed) > len(left):  # long rows, and few
        alike: npt.NDArray[np.bool_] = ((words[left] ^ words[left[0]]) & fixed == 0).all(axis=1)
        return left[alike]
    fixed_bits = np.unpackbits(layout.fixed).reshape(len(fixed), -1).sum(axis=1)
    for i in np.argsort(-fixed_bits, kind="stable"):  # first the words that hold the tags: they tell most rows apart
        column = words[:, i] if len(same) == len(rows) else words[same, i]
        alike = (column ^ words[left[0], i]) & fixed[i] == 0
        if not alike.all():
            same = same[alike]
    return same


def _read(rows: Bytes, index: Offsets, layout: _Layout) -> Columns:
    steps = np.zeros(len(rows), np.int64)
    begin, end = layout.step
    for i in range(begin, end):
        steps |= (rows[:, i] & np.uint8(0x7F)).astype(np.int64) << np.int64(7 * (i - begin))
    walls = np.ascontiguousarray(rows[:, 1:9]).view("<f8")[:, 0]
    values = {tag: np.ascontiguousarray(rows[:, at : at + 4]).view("<f4")[:, 0] for tag, at in layout.values.items()}
    return Columns(index, steps, walls, values)


def _parse(record: bytes) -> _Layout | None:
    """The layout of a record; None unless it has only a time, an optional step, and a summary of plain scalars."""
    if len(record) < 10 or record[0] != 0x09:
        return None
    try:
        return _parse_event(record)
    except (IndexError, UnicodeDecodeError):
        return None


def _parse_event(record: bytes) -> _Layout | None:
    at, step = 9, (9, 9)
    if record[at] == 0x10:
        _, at = _varint(record, 10)
        step = (10, at)
    if record[at] != 0x2A:
        return None
    size, at = _varint(record, at + 1)
    if at + size != len(record):
        return None
    values: dict[str, int] = {}
    while at < len(record):
        if record[at] != 0x0A:
            return None
        size, at = _varint(record, at + 1)
        found = _parse_value(record, at, at + size)
        if found is None or found[0] in values:
            return None
        values[found[0]] = found[1]
        at += size
    fixed = np.zeros(-(-len(record) // _WORD) * _WORD, np.uint8)
    fixed[: len(record)] = 0xFF
    for begin, end in [(1, 9), *((offset, offset + 4) for offset in values.values())]:
        fixed[begin:end] = 0
    fixed[step[0] : step[1]] = 0x80  # a varint's continuation bits: its length
    return _Layout(fixed, step, values) if values else None


def _parse_value(record: bytes, at: int, end: int) -> tuple[str, int] | None:
    """The tag and the position of the float in one `Value`; None if it has no float."""
    tag, place = "", None
    while at < end:
        key, at = _varint(record, at)
        if key == 0x15:
            place, at = at, at + 4
        elif key & 7 == 2:
            size, at = _varint(record, at)
            if key == 0x0A:
                tag = record[at : at + size].decode()
                if len(tag) > MAX_TAG:
                    return None
            elif key >> 3 in (5, 8):
                return None
            at += size
        else:
            return None
    return (tag, place) if tag and place is not None and at == end else None


def _varint(record: bytes, at: int) -> tuple[int, int]:
    """A number and the position after it. Raises IndexError if it does not end within the record, or within 10 bytes."""
    value = 0
    for shift in range(0, 7 * _VARINT_BYTES, 7):
        byte = record[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise IndexError("a number of more than 64 bits")
