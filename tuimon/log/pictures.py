"""Pictures in a log: PNG files in TensorBoard's image summaries, under `pictures/…`. Small ones lie side by side on a sheet.

Only the plain form of PNG is written and read: 8 bits, grey or RGB, no filter. That is four chunks around zlib, so that neither
the training process nor a viewer needs a library for images. Pure functions; numpy.
"""

from __future__ import annotations

import math
import struct
import zlib
from typing import Annotated, Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec import Meta

PREFIX = "pictures/"
MOST_PIXELS = 1 << 20  # of a sheet
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = struct.Struct(">IIBBBBB")
_CHANNELS = {0: 1, 2: 3}  # by PNG's colour type: grey, RGB

Pixels = npt.NDArray[np.uint8]
_Extent = Annotated[int, Meta(ge=1, le=4096)]


class Sheet(msgspec.Struct, frozen=True):
    """How pictures of one size lie on a sheet: row by row, a pixel apart.

    Attributes:
        tag: the image's tag.
        across: pictures in a row.
        count: pictures in all.
        height, width: of each, in pixels.
    """

    tag: str
    across: _Extent
    count: _Extent
    height: _Extent
    width: _Extent


def lay_out(tiles: Pixels, tag: str) -> tuple[Pixels, Sheet]:
    """Puts pictures [N, H, W, channels] on a sheet, about as wide as it is high."""
    count, height, width, channels = tiles.shape
    across = max(math.ceil(math.sqrt(count * (height + 1) / (width + 1))), 1)
    down = math.ceil(count / across)
    pixels = np.zeros((down * (height + 1) - 1, across * (width + 1) - 1, channels), np.uint8)
    for place, tile in enumerate(tiles):
        y, x = place // across * (height + 1), place % across * (width + 1)
        pixels[y : y + height, x : x + width] = tile
    return pixels, Sheet(tag, across, count, height, width)


def cut_out(pixels: Pixels, sheet: Sheet) -> Pixels:
    """The pictures on a sheet, [N, H, W, channels].

    Raises:
        ValueError: the sheet is smaller than it says.
    """
    found = []
    for place in range(sheet.count):
        y, x = place // sheet.across * (sheet.height + 1), place % sheet.across * (sheet.width + 1)
        tile = pixels[y : y + sheet.height, x : x + sheet.width]
        if tile.shape[:2] != (sheet.height, sheet.width):
            raise ValueError(f"picture {place} of {sheet.count} lies outside of the sheet")
        found.append(tile)
    return np.stack(found)


def encode(pixels: Pixels) -> bytes:
    """A PNG file of pixels [H, W, channels] with 1 or 3 channels."""
    height, width, channels = pixels.shape
    lines = np.zeros((height, 1 + width * channels), np.uint8)  # each begins with its filter: none
    lines[:, 1:] = pixels.reshape(height, -1)
    colour = next(kind for kind, number in _CHANNELS.items() if number == channels)
    header = _HEADER.pack(width, height, 8, colour, 0, 0, 0)
    return _SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(lines.tobytes(), 6)) + _chunk(b"IEND", b"")


def decode(data: bytes) -> Pixels:
    """The pixels [H, W, channels] of a PNG file in the form that `encode` writes.

    Raises:
        ValueError: it is something else, larger than `MOST_PIXELS`, or damaged.
    """
    chunks = dict(_chunks(data))
    width, height, depth, colour, *others = _HEADER.unpack(_part(chunks, b"IHDR", _HEADER.size))
    if depth != 8 or colour not in _CHANNELS or any(others) or not 0 < width * height <= MOST_PIXELS:
        raise ValueError("a PNG file of another form")
    size = height * (1 + width * _CHANNELS[colour])
    content = zlib.decompressobj()
    try:
        lines = np.frombuffer(content.decompress(_part(chunks, b"IDAT"), size), np.uint8)
    except zlib.error as error:
        raise ValueError(f"a damaged PNG file: {error}") from error
    if len(lines) != size:
        raise ValueError("a PNG file that breaks off")
    lines = lines.reshape(height, -1)
    if lines[:, 0].any():
        raise ValueError("a PNG file with filters")
    return lines[:, 1:].reshape(height, width, _CHANNELS[colour])


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    if not data.startswith(_SIGNATURE):
        raise ValueError("not a PNG file")
    found, place = [], len(_SIGNATURE)
    while place + 8 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4], "big"), data[place + 4 : place + 8]
        found.append((kind, data[place + 8 : place + 8 + length]))
        place += length + 12
    return found


def _part(chunks: dict[bytes, bytes], kind: bytes, size: int | None = None) -> Any:
    if kind not in chunks or (size is not None and len(chunks[kind]) != size):
        raise ValueError(f"a PNG file without {kind.decode()}")
    return chunks[kind]
