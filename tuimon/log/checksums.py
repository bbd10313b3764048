"""The masked CRC-32C of many records at once.

One call of the library for each record is mostly the call; of short records, which a log may hold a million of, those of one
length are computed together, two bytes of each at a time. Pure functions; numpy.
"""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt
from crc32c import crc32c

from tuimon.log.lengths import Offsets, by_length, cut

SHORT_BYTES = 96  # the longest record for which this is faster
FEW = 64  # so many are not worth it
_AT_ONCE = 1 << 13  # records whose state stays in the processor's caches
_POLYNOMIAL = np.uint32(0x82F63B78)  # of CRC-32C, its bits reversed

Words = npt.NDArray[np.uint32]


def masked_crcs(buffer: bytes, starts: Offsets, lengths: Offsets) -> Words:
    """The checksum of each message of a buffer, as TFRecord stores it; [n]."""
    crcs = np.empty(len(starts), np.uint32)
    for index in by_length(lengths):
        begin, length = starts[index], int(lengths[index[0]])
        if len(index) > FEW and 0 < length <= SHORT_BYTES:
            crcs[index] = _of_rows(buffer, begin, length)
        else:
            crcs[index] = [crc32c(buffer[start : start + length]) for start in begin.tolist()]
    return ((crcs >> np.uint32(15)) | (crcs << np.uint32(17))) + np.uint32(0xA282EAD8)


def _of_rows(buffer: bytes, starts: Offsets, length: int) -> Words:
    """The CRC-32C of messages of one length."""
    parts = (starts[i : i + _AT_ONCE] for i in range(0, len(starts), _AT_ONCE))
    return np.concatenate([_of_few_rows(cut(buffer, part, length)) for part in parts])


def _of_few_rows(matrix: npt.NDArray[np.uint8]) -> Words:
    count, length = matrix.shape
    crcs = np.full(count, 0xFFFFFFFF, np.uint32)
    if length % 2:
        crcs = _table(8)[(crcs ^ matrix[:, 0]) & np.uint32(0xFF)] ^ (crcs >> np.uint32(8))
    table = _table(16)
    for pair in np.ascontiguousarray(np.ascontiguousarray(matrix[:, length % 2 :]).view("<u2").T):
        crcs = table.take((crcs ^ pair) & np.uint32(0xFFFF)) ^ (crcs >> np.uint32(16))
    return ~crcs


@functools.cache
def _table(bits: int) -> Words:
    """How the lowest `bits` of a checksum change the others when they are shifted out; [2 ** bits]."""
    table = np.arange(1 << bits, dtype=np.uint32)
    for _ in range(bits):
        table = (table >> np.uint32(1)) ^ (_POLYNOMIAL * (table & np.uint32(1)))
    return table
