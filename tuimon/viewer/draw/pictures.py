"""Pictures as rows of half-blocks: two pixels a cell, one above the other. Pure; knows no terminal.

The colours of pixels are data, not meanings, so here alone a style carries them: `pixel-` with the upper and the lower one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import groupby, zip_longest

import numpy as np

from tuimon.log.pictures import Pixels
from tuimon.viewer.draw.rows import Row, Span, fit, width_of

PIXEL = "pixel-"
_HALF = "▀"
_SHADES = " .:-=+*#%@"  # from dark to bright
_LEAST = 16  # cells of a picture; smaller ones are enlarged


def picture(pixels: Pixels, most: int, shaded: bool = False) -> list[Row]:
    """A picture [H, W, channels] in at most `most` columns; `shaded`: in characters of different darkness, without colours."""
    pixels = _fitted(pixels, most)
    if len(pixels) % 2:
        pixels = np.concatenate([pixels, np.zeros_like(pixels[:1])])
    upper, lower = pixels[0::2], pixels[1::2]
    draw = _shades if shaded else _blocks
    return [draw(above, below) for above, below in zip(upper, lower, strict=True)]


def swatch(colour: tuple[int, ...]) -> Span:
    """Two cells of a colour, red, green and blue, for a legend."""
    pixel = bytes(colour).hex()
    return Span(_HALF * 2, f"{PIXEL}{pixel}-{pixel}")


def side_by_side(blocks: list[list[Row]], width: int, gap: int = 2) -> list[Row]:
    """Blocks of rows from left to right, in as many lines of blocks as it takes, with an empty row between these."""
    widest = max((width_of(row) for block in blocks for row in block), default=0)
    across = max((width + gap) // (widest + gap), 1)
    rows: list[Row] = []
    for first in range(0, len(blocks), across):
        if rows:
            rows.append([])
        for parts in zip_longest(*blocks[first : first + across], fillvalue=list[Span]()):
            rows.append([span for part in parts for span in fit(part, widest + gap)])
    return rows


def _fitted(pixels: Pixels, most: int) -> Pixels:
    """The picture, enlarged if it is small, or with every n-th pixel if it is too wide."""
    width = pixels.shape[1]
    if width > most:
        every = math.ceil(width / max(most, 1))
        return pixels[::every, ::every]
    times = max(min(_LEAST, most) // width, 1)
    return pixels.repeat(times, axis=0).repeat(times, axis=1)


def _blocks(above: Pixels, below: Pixels) -> Row:
    styles = (f"{PIXEL}{_hex(one)}-{_hex(two)}" for one, two in zip(above, below, strict=True))
    return [Span(_HALF * len(list(same)), style) for style, same in groupby(styles)]


def _shades(above: Pixels, below: Pixels) -> Row:
    grey = (above.astype(float).mean(1) + below.astype(float).mean(1)) / 2
    return [Span("".join(_SHADES[level] for level in _levels(grey)))]


def _levels(grey: np.ndarray) -> Iterator[int]:
    yield from (grey / 256 * len(_SHADES)).astype(int).tolist()


def _hex(pixel: Pixels) -> str:
    red, green, blue = (pixel if len(pixel) == 3 else pixel.repeat(3)).tolist()
    return f"{red:02x}{green:02x}{blue:02x}"
