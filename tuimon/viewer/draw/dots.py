"""Points and lines at any place of a plot, as braille dots; in ASCII, as letters. Pure.

Places are from 0 to 1: x from the left, y from the bottom. What is not finite is left out. Later styles lie on top.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tuimon.viewer.draw.rows import Row, Span, runs

_BRAILLE = 0x2800
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]])
_LETTERS = {"dim": ".", "good": "*"}
_LETTER = "o"


class Dots:
    """A plot of `width` × `height` cells."""

    def __init__(self, width: int, height: int, ascii: bool = False) -> None:
        self.width, self.height, self._ascii = max(width, 1), max(height, 1), ascii
        self._across, self._down = (1, 1) if ascii else (2, 4)
        self._columns, self._lines = self._across * self.width, self._down * self.height
        self._lit = np.zeros((self._lines, self._columns), np.bool_)
        self._style = np.full((self.height, self.width), -1, np.int16)
        self._styles: list[str] = []

    def points(self, xs: ArrayLike, ys: ArrayLike, style: str) -> None:
        """Draws single points."""
        x, y = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
        keep = np.isfinite(x) & np.isfinite(y) & (x >= 0) & (x <= 1) & (y >= 0) & (y <= 1)
        columns = np.minimum((x[keep] * self._columns).astype(np.int64), self._columns - 1)
        lines = np.rint((1 - y[keep]) * (self._lines - 1)).astype(np.int64)
        self._lit[lines, columns] = True
        self._style[lines // self._down, columns // self._across] = self._number(style)

    def line(self, xs: ArrayLike, ys: ArrayLike, style: str) -> None:
        """Joins points, whose x never falls, by a line; a gap where one is not finite."""
        x, y = np.asarray(xs, np.float64), np.asarray(ys, np.float64)
        if len(x) < 2:
            self.points(x, y, style)
            return
        steep = np.nanmax(np.abs(np.diff(y)), initial=0.0) * self._lines
        count = int(min(max(2 * self._columns, 2 + 2 * steep * len(x)), 20_000))
        at = np.union1d(np.linspace(x[0], x[-1], count), x)
        self.points(at, np.interp(at, x, y), style)
        for i in np.flatnonzero(np.diff(x) == 0):  # straight up or down
            self.points(np.full(self._lines, x[i]), np.linspace(y[i], y[i + 1], self._lines), style)

    def fan(self, xs: tuple[float, float], left: ArrayLike, right: ArrayLike, style: str) -> None:
        """Draws many straight lines between two x, from one y to another."""
        one, other = np.asarray(left, np.float64)[:, None], np.asarray(right, np.float64)[:, None]
        share = np.linspace(0, 1, max(2, int((xs[1] - xs[0]) * self._columns) * 2))[None, :]
        ys = one + (other - one) * share
        self.points(np.broadcast_to(xs[0] + (xs[1] - xs[0]) * share, ys.shape).ravel(), ys.ravel(), style)

    def rows(self) -> list[Row]:
        """The plot as `height` rows."""
        if self._ascii:
            return [
                runs(
                    "".join(_LETTERS.get(style, _LETTER) if lit else " " for lit, style in zip(line, styles, strict=True)),
                    styles,
                )
                for line, styles in zip(self._lit, map(self._named, self._style), strict=True)
            ]
        cells: NDArray[np.int64] = (self._lit.reshape(self.height, 4, self.width, 2) * _BITS[None, :, None, :]).sum(axis=(1, 3))
        texts = ["".join(chr(_BRAILLE | int(bits)) if bits else " " for bits in line) for line in cells]
        return [runs(text, self._named(styles)) for text, styles in zip(texts, self._style, strict=True)]

    def _named(self, numbers: NDArray[np.int16]) -> list[str]:
        return [self._styles[number] if number >= 0 else "" for number in numbers.tolist()]

    def _number(self, style: str) -> int:
        if style not in self._styles:
            self._styles.append(style)
        return self._styles.index(style)


def blank_row(text: str, width: int, style: str = "dim") -> Row:
    """A row with a text at its left, cut to the width."""
    return [Span(text[:width].ljust(width), style)]
