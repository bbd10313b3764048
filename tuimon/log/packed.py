"""Many numbers of one step in little room: of a sample of hundreds of layers, a tenth of what they take as scalars.

A record has one value under a tag of its own, a string tensor of a plugin that only tuimon knows: TensorBoard leaves it out.
Its first string holds the numbers, little-endian float32, compressed with zlib where that helps. The second one, in the first
record of its kind and now and then after it, holds their tags as a list in JSON, compressed. Readers make scalars of them, as
if each had been written by itself. Pure functions but for `Packer`; any thread.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tuimon.base.outside import MalformedError, json_decoder
from tuimon.log import wire
from tuimon.log.layout import MAX_TAG

PREFIX, PLUGIN = "tuimon/numbers/", "tuimon_numbers"
MAX_TAGS = 1 << 16  # of one record
MAX_GROWTH = 20  # times that something may grow when it is decompressed; so reading stays linear in bytes
_NAMED_EVERY = 32  # records: as many are lost with one that could not be written or read

_decode_tags: Callable[[str | bytes], list[str]] = json_decoder(list[str])


class Packer:
    """Packs numbers of the same tags, sample after sample. Not thread-safe.

    Args:
        tags: what the numbers are logged as.
    """

    def __init__(self, tags: Sequence[str]) -> None:
        self._names = _compressed(json.dumps(list(tags)).encode())
        self._tag = f"{PREFIX}{zlib.crc32(self._names):08x}"
        self._packed = 0

    def value(self, numbers: npt.NDArray[np.float64]) -> bytes:
        """A `Summary` holding one number for each tag; what is beyond a float32's range is infinite."""
        with np.errstate(over="ignore"):
            strings = [_compressed(numbers.astype("<f4").tobytes())]
        if self._packed % _NAMED_EVERY == 0:
            strings.append(self._names)
        self._packed += 1
        return wire.strings_value(self._tag, PLUGIN, strings)


def tags(names: bytes) -> tuple[str, ...]:
    """The tags of a packed record's numbers.

    Raises:
        MalformedError: these are none.
        OtherError: they have another form, of a later version.
    """
    found = tuple(_decode_tags(names if names.startswith(b"[") else _decompressed(names, len(names) * MAX_GROWTH)))
    if len(found) > MAX_TAGS or not all(0 < len(tag) <= MAX_TAG for tag in found):
        raise MalformedError(
            f"packed numbers of more than {MAX_TAGS} tags, or of a tag of no or more than {MAX_TAG} characters"
        )
    return found


def numbers(packed: bytes, count: int) -> npt.NDArray[np.float32]:
    """[count] the numbers of a packed record.

    Raises:
        MalformedError: it holds more or fewer.
    """
    size = 4 * count
    plain = packed if len(packed) == size else _decompressed(packed, min(size, len(packed) * MAX_GROWTH))
    if len(plain) != size:
        raise MalformedError(f"packed numbers that are not {count}")
    return np.frombuffer(plain, "<f4")


def _compressed(plain: bytes) -> bytes:
    """The bytes, compressed if that makes them smaller, but not so much that readers refuse them."""
    packed = zlib.compress(plain)
    return packed if len(plain) / MAX_GROWTH < len(packed) < len(plain) else plain


def _decompressed(packed: bytes, most: int) -> bytes:
    decompressor = zlib.decompressobj()
    try:
        plain = decompressor.decompress(packed, most + 1)  # one more, so that it comes to the end
    except zlib.error as error:
        raise MalformedError(f"packed data that cannot be decompressed: {error}") from None
    if not decompressor.eof:
        raise MalformedError("packed data that is cut off, or larger than it may be")
    return plain
