"""Records found many at a time are those that are found one by one."""

from __future__ import annotations

import random
import struct

import numpy as np
import pytest
from crc32c import crc32c

from tuimon.log import checksums, frames, wire


def one_by_one(buffer: bytes) -> list[tuple[int, int]]:
    """Start and length of each right record, up to where no length can be trusted, as the format's definition reads."""
    found, place = [], 0
    while place + 16 <= len(buffer):
        length, crc = struct.unpack_from("<QI", buffer, place)
        end = place + 12 + length
        if end + 4 > len(buffer) or crc != wire.masked_crc(buffer[place : place + 8]):
            break
        if struct.unpack_from("<I", buffer, end)[0] == wire.masked_crc(buffer[place + 12 : end]):
            found.append((place + 12, length))
        place = end + 4
    return found


def messages(chosen: random.Random) -> list[bytes]:
    """Messages whose lengths repeat in a cycle, which now and then is broken or becomes another one."""
    lengths: list[int] = []
    while len(lengths) < 3000:
        cycle = [chosen.choice((0, 1, 7, 30, 31, 95, 96, 97, 400)) for _ in range(chosen.randint(1, 90))]
        lengths += cycle * chosen.randint(1, 40) + [chosen.randint(0, 3000)]
    return [chosen.randbytes(length) for length in lengths]


def split(buffer: bytes) -> list[tuple[int, int]]:
    """What `frames` finds."""
    found = frames.split(buffer)
    assert found.used == (int(found.starts[-1] + found.lengths[-1]) + 4 if len(found.starts) else 0)
    return list(zip(found.starts.tolist(), found.lengths.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(8))
def test_lengths_that_repeat_are_followed_like_any_others(seed: int) -> None:
    chosen = random.Random(seed)
    parts = messages(chosen)
    buffer = b"".join(wire.frame(part) for part in parts)
    assert len(one_by_one(buffer)) == len(parts)
    assert split(buffer) == one_by_one(buffer)
    for _ in range(20):
        cut = buffer[: chosen.randrange(len(buffer))]
        assert split(cut) == one_by_one(cut)


@pytest.mark.parametrize("seed", range(8))
def test_damage_among_lengths_that_repeat_is_seen_where_it_is(seed: int) -> None:
    chosen = random.Random(seed)
    buffer = b"".join(wire.frame(chosen.randbytes(29 + i % 3)) for i in range(2000))
    for _ in range(30):
        damaged = bytearray(buffer)
        damaged[chosen.randrange(len(buffer))] ^= 1 << chosen.randrange(8)
        found = frames.split(bytes(damaged))
        right = one_by_one(bytes(damaged))
        assert found.starts.tolist() == [start for start, _ in right]
        assert len(right) == 2000 or bool(found.damage) != bool(len(found.skipped))
        lost = len(damaged) - found.used if found.damage else found.skipped_bytes
        whole = sum(length + 16 for _, length in right)
        assert whole + lost == len(damaged)


@pytest.mark.parametrize("length", [0, 1, 2, 3, 28, 95, checksums.SHORT_BYTES, checksums.SHORT_BYTES + 1])
@pytest.mark.parametrize("count", [1, checksums.FEW, checksums.FEW + 1, 20_000])
def test_checksums_of_many_are_those_of_each(length: int, count: int) -> None:
    buffer = random.Random(length).randbytes(length * count)
    starts, lengths = np.arange(count) * length, np.full(count, length)
    crcs = [crc32c(buffer[start : start + length]) for start in starts.tolist()]
    masked = [((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF for crc in crcs]
    assert checksums.masked_crcs(buffer, starts, lengths).tolist() == masked
