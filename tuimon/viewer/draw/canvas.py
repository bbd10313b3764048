"""A grid of dots: takes the dots of each curve column by column, returns rows of styled braille (or ASCII)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuimon.viewer.draw.pyramid import Columns
from tuimon.viewer.draw.rows import Row, Span

_BRAILLE = 0x2800
_DOTS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint8)[:, None, :]  # row, any, cell column
_SPACE = 0x20
_PATTERNS = (
    (1, 1),
    (6, 8),
    (2, 4),
    (4, 6),
    (4, 8),
    (2, 6),
)  # (dots drawn, period) of each dash pattern, in whole cells: curves behind show through the gaps
_STROKES = "─┄┈╌╍┅"  # the same patterns, in a legend
_ASCII_STROKES = "*o+x#@"
ASCII_FAINT = "."


def stroke_of(pattern: int, ascii: bool = False) -> str:
    """One cell that shows what a pattern looks like."""
    return (_ASCII_STROKES if ascii else _STROKES)[_place(pattern)]


def _place(pattern: int) -> int:
    """Shifts the pattern by one in each round: colours repeat after as many curves, so both repeat only after six rounds."""
    return (pattern + pattern // len(_PATTERNS)) % len(_PATTERNS)


Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]


class Spans:
    """One curve's dots: in each dot column all from `top` to `bottom`, where `drawn`."""

    def __init__(self, top: Ints, bottom: Ints, drawn: Bools) -> None:
        self.top, self.bottom, self.drawn = top, bottom, drawn


def trace(columns: Columns, low: float, high: float, dots: int, log: bool = False) -> Spans:
    """Joins a curve's columns into one line of dots.

    Args:
        columns: the reduced curve, see `Pyramid.columns`.
        low: the value of the lowest dot (its log10 if `log`).
        high: the value of the topmost dot (its log10 if `log`).
        dots: the number of dots from top to bottom.
        log: whether the axis is logarithmic; values that are not positive then lie below the bottom.
    """
    count = len(columns.low)
    tops, bottoms, firsts, lasts = _heights([columns.high, columns.low, columns.first, columns.last], low, high, dots, log)
    if log:
        filled = columns.high > 0
        breaks = columns.gaps | (columns.high <= 0)
    else:
        filled, breaks = np.isfinite(columns.low), columns.gaps
    borders, joined = _borders(filled, breaks, firsts, lasts, *_outside(columns, low, high, dots, log))
    left, right = borders[:count], borders[1:]
    top = np.fmin(np.fmin(np.where(filled, tops, np.nan), left), right)
    bottom = np.fmax(np.fmax(np.where(filled, bottoms, np.nan), left), right)
    drawn = np.isfinite(top) & (bottom >= -0.5) & (top <= dots - 0.5)
    alone = filled & ~joined[:count] & ~joined[1:]
    upper, lower = _dots(top, drawn, dots), _dots(bottom, drawn, dots)
    return Spans(upper, np.where(alone, np.minimum(lower + (upper == lower), dots - 1), lower), drawn)


def _dots(heights: NDArray[np.float64], drawn: Bools, dots: int) -> Ints:
    inside = np.maximum(np.minimum(np.rint(heights), dots - 1), 0)
    return np.where(drawn, inside, 0).astype(np.int64)


def _heights(values: list[NDArray[np.float32]], low: float, high: float, dots: int, log: bool) -> list[NDArray[np.float64]]:
    """Values as dots from the top: floats, possibly outside the grid."""
    stacked = np.array(values, np.float64)
    if log:
        with np.errstate(divide="ignore", invalid="ignore"):
            stacked = np.where(stacked > 0, np.log10(stacked), np.where(np.isnan(stacked), np.nan, low - (high - low)))
    return list((high - stacked) * ((dots - 1) / (high - low)))


def _outside(
    columns: Columns, low: float, high: float, dots: int, log: bool
) -> tuple[tuple[float, float] | None, tuple[float, float] | None]:
    """The points just outside the range, with their values as dots from the top."""

    def height(point: tuple[float, float] | None) -> tuple[float, float] | None:
        if point is None or (log and point[1] <= 0):
            return None
        value = np.array([point[1]], np.float32)
        return point[0], float(_heights([value], low, high, dots, log)[0][0])

    return height(columns.before), height(columns.after)


def _borders(
    filled: Bools,
    breaks: Bools,
    firsts: NDArray[np.float64],
    lasts: NDArray[np.float64],
    before: tuple[float, float] | None,
    after: tuple[float, float] | None,
) -> tuple[NDArray[np.float64], Bools]:
    """The curve's height at each border between columns (NaN where it is not joined), and whether it is joined there."""
    count = len(filled)
    places = np.flatnonzero(filled)
    xs = np.repeat(places, 2).astype(np.float64)
    ys = np.stack([firsts[places], lasts[places]], axis=1).reshape(-1)
    if before is not None:
        xs, ys = np.concatenate([[before[0]], xs]), np.concatenate([[before[1]], ys])
    if after is not None:
        xs, ys = np.concatenate([xs, [after[0]]]), np.concatenate([ys, [after[1]]])
    at = np.arange(count + 1) - 0.5
    if len(xs) < 2:
        return np.full(count + 1, np.nan), np.zeros(count + 1, np.bool_)
    heights = np.interp(at, xs, ys, left=np.nan, right=np.nan)
    if breaks.any():
        heights[_broken(filled, breaks)] = np.nan
    return heights, np.isfinite(heights)


def _broken(filled: Bools, breaks: Bools) -> Bools:
    """Whether a break lies between the nearest filled columns on both sides of each border."""
    count = len(filled)
    index = np.arange(count)
    broken_before = np.concatenate([[0], np.cumsum(breaks)])
    previous = np.concatenate([[0], np.maximum.accumulate(np.where(filled, index + 1, 0))])
    following = np.concatenate([np.minimum.accumulate(np.where(filled, index, count)[::-1])[::-1], [count]])
    return np.asarray(broken_before[following] > broken_before[previous])


class Canvas:
    """Cells of 2×4 braille dots; in ASCII, of one dot each."""

    def __init__(self, width: int, height: int, ascii: bool = False) -> None:
        self.width, self.height, self.ascii = width, height, ascii
        self.dot_width = width if ascii else 2 * width
        self.dot_height = height if ascii else 4 * height
        self._codes = np.full((height, width), _SPACE, np.uint32)
        self._owners = np.full((height, width), -1, np.int16)
        self._styles: list[str] = []
        self._clear: list[int] = []  # the styles of the clear curves so far
        self._rows = np.arange(self.dot_height)[:, None]

    def draw(self, spans: Spans, style: str, pattern: int = 0, faint: bool = False) -> None:
        """Draws a curve on top, in one of the patterns of `stroke_of`; it takes over half of the cells of others."""
        shown, period = _PATTERNS[_place(pattern)] if not self.ascii else (1, 1)
        drawn = spans.drawn if shown == period else spans.drawn & (np.arange(self.dot_width) % period < shown)
        dots = (self._rows >= spans.top) & (self._rows <= spans.bottom) & drawn
        if self.ascii:
            self._set(self._shared(dots, style), ord(ASCII_FAINT if faint else stroke_of(pattern, ascii=True)), style)
            self._clear = [*self._clear, *([] if faint else [self._style(style)])]
            return
        cells = dots.reshape(self.height, 4, self.width, 2)
        bits = np.add.reduce(cells * _DOTS, axis=(1, 3), dtype=np.uint8)
        lit = self._shared(bits != 0, style)
        kept = (self._codes >= _BRAILLE) & (self._owners == self._style(style))  # other curves' dots would take on this colour
        under = np.where(kept, self._codes & 0xFF, 0)
        self._set(lit, (_BRAILLE | under | bits)[lit], style)
        self._clear = [*self._clear, *([] if faint else [self._style(style)])]

    def line(self, row: int, glyphs: str, style: str) -> None:
        """Draws a horizontal line of repeated characters in a row's empty cells. Curves drawn later cover it."""
        codes = self._codes[row]
        line = np.resize(np.array([ord(char) for char in glyphs], np.uint32), self.width)
        free = (codes == _SPACE) & (line != _SPACE)
        codes[free] = line[free]
        self._owners[row, free] = self._style(style)

    def _shared(self, lit: Bools, style: str) -> Bools:
        """The cells that a curve takes: of those where another clear curve runs, every other two, so that both are seen."""
        if not self._clear:
            return lit
        others = [owner for owner in self._clear if owner != self._style(style)]
        taken = np.isin(self._owners, others) & (self._codes != _SPACE)
        return np.asarray(lit & ~(taken & (np.arange(self.width) // 2 % 2 == 0)))

    def column(self, cell: int, glyph: str, style: str, restyle: bool = False, over: str = "") -> None:
        """Draws a vertical line in the empty cells of a column, and over a line made of `over`; not through text.

        `restyle` also colours the curves that it crosses.
        """
        codes = self._codes[:, cell]
        free = (codes == _SPACE) & (self._owners[:, cell] < 0)
        if over:
            free |= codes == ord(over)
        self._codes[free, cell] = ord(glyph)
        self._owners[free | restyle, cell] = self._style(style)

    def is_free(self, row: int, cell: int, length: int, but: str = " ") -> bool:
        """Whether these cells are empty, or hold only the characters of `but`. One margin cell may lie outside the canvas."""
        inside = cell >= -1 and cell + length <= self.width + 1
        codes = self._codes[row, max(cell, 0) : cell + length]
        return inside and bool(np.isin(codes, [_SPACE, *map(ord, but)]).all())

    def style_at(self, row: int, cell: int) -> str:
        """The style of a cell; empty if nothing was drawn there."""
        owner = int(self._owners[row, cell])
        return self._styles[owner] if owner >= 0 else ""

    def write(self, row: int, cell: int, text: str, style: str) -> None:
        """Writes text on top, cut at the edges."""
        text = text[max(-cell, 0) : max(self.width - cell, 0)]
        cell = max(cell, 0)
        self._codes[row, cell : cell + len(text)] = [ord(char) for char in text]
        self._owners[row, cell : cell + len(text)] = self._style(style)

    def rows(self) -> list[Row]:
        """The canvas as `height` rows of `width` cells."""
        text = self._codes.astype("<u4").tobytes().decode("utf-32-le")
        owners = _carried(self._owners, self._codes == _SPACE).reshape(-1)
        changes = owners[1:] != owners[:-1]
        changes[self.width - 1 :: self.width] = True
        starts = [0, *(np.flatnonzero(changes) + 1).tolist()]
        named = [self._styles[owner] if owner >= 0 else "" for owner in owners[starts].tolist()]
        out: list[Row] = [[] for _ in range(self.height)]
        for start, end, style in zip(starts, [*starts[1:], len(text)], named, strict=True):
            out[start // self.width].append(Span(text[start:end], style))
        return out

    def _set(self, where: Bools, codes: NDArray[np.uint32] | int, style: str) -> None:
        self._codes[where] = codes
        self._owners[where] = self._style(style)

    def _style(self, style: str) -> int:
        if style not in self._styles:
            self._styles.append(style)
        return self._styles.index(style)


def _carried(owners: NDArray[np.int16], blank: Bools) -> NDArray[np.int16]:
    """Gives blank cells the style on their left: it looks the same and makes fewer spans."""
    columns = np.where(blank, 0, np.arange(owners.shape[1]))
    source = np.maximum.accumulate(columns, axis=1)
    return owners[np.arange(len(owners))[:, None], source]
