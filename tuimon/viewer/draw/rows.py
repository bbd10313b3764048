"""The result of every drawing function: rows of styled spans, as plain data.

A style is a word for what a span means ("train", "axis", "bad"), never a colour; widgets map words to colours. Knows nothing
of terminals, widgets or themes. Pure functions, any thread.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

from rich.cells import get_character_cell_size

_PLAIN = re.compile(r"[ -\u02ff\u2010-\u2027\u2190-\u2199\u2500-\u25fc\u2800-\u28ff]*")  # one cell each: all that is drawn
_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "?")


class Span(NamedTuple):
    """Text with one style. Drawn characters take one cell each; names may contain wider ones, see `cells`."""

    text: str
    style: str = ""


Row = list[Span]


def text_of(row: Iterable[Span]) -> str:
    """The row's characters without its styles."""
    return "".join(span.text for span in row)


def cells(text: str) -> int:
    """The number of cells the text takes: two for most East Asian characters and emoji, none for combining accents."""
    return len(text) if _is_plain(text) else sum(map(_cells_of, text))


def printable(text: str) -> str:
    """The text with `?` for every control character: a name from a log must not control the terminal."""
    return text if text.isprintable() else text.translate(_CONTROLS)


def width_of(row: Iterable[Span]) -> int:
    """The number of cells the row takes."""
    return cells("".join([span.text for span in row]))  # one call for the whole row


def fit(row: Iterable[Span], width: int) -> Row:
    """The row, cut or padded with spaces to exactly `width` cells."""
    kept: Row = []
    left = max(width, 0)
    for text, style in row:
        if left <= 0:
            break
        part = _head(text, left)
        kept.append(Span(part, style))
        left -= cells(part)
        if part != text:
            break
    if left > 0:
        kept.append(Span(" " * left))
    return kept


def clip(row: Sequence[Span], width: int, ascii: bool = False) -> Row:
    """Like `fit`, but marks a row that loses more than spaces in its last cell."""
    kept = fit(row, width)
    if cells(text_of(row).rstrip()) <= width or not kept:
        return kept
    return overlay(kept, width - 1, "~" if ascii else "…", kept[-1].style)


def blank(width: int, height: int) -> list[Row]:
    """Empty rows."""
    return [fit([], width) for _ in range(max(height, 0))]


def runs(text: str, styles: Sequence[str]) -> Row:
    """A row from characters and one style for each; neighbours with the same style share a span."""
    row: Row = []
    start = 0
    for style, group in groupby(styles):
        end = start + len(list(group))
        row.append(Span(text[start:end], style))
        start = end
    return row


def overlay(row: Row, column: int, text: str, style: str) -> Row:
    """The row with `text` written over it from `column` on, cut at the row's ends."""
    width = width_of(row)
    text = text[max(-column, 0) : max(width - column, 0)]
    column = max(column, 0)
    if not text:
        return row
    before = fit(row, column) if column else []
    return [*before, Span(text, style), *_skip(row, column + cells(text))]


def piece(row: Row, start: int, width: int) -> Row:
    """The `width` cells of a row from `start` on."""
    return fit(_skip(row, start) if start else row, width)


def _skip(row: Row, count: int) -> Row:
    kept: Row = []
    for text, style in row:
        if cells(text) > count:
            kept.append(Span(text[len(_head(text, max(count, 0))) :], style))
        count -= cells(text)
    return kept


def cut(text: str, width: int, ascii: bool = False) -> str:
    """The text in at most `width` cells, cut at its end: messages begin with what matters."""
    if cells(text) <= width:
        return text
    return (_head(text, width - 1).rstrip() + ("~" if ascii else "…"))[: max(width, 0)]


def shorten(text: str, width: int, ascii: bool = False) -> str:
    """The text in at most `width` cells, cut in the middle: layers differ at the ends of their names."""
    if cells(text) <= width:
        return text
    mark = "~" if ascii else "…"
    if width <= 1:
        return mark[: max(width, 0)]
    head = (width - 1) // 2
    return _head(text, head) + mark + _head(text[::-1], width - 1 - head)[::-1]


def _head(text: str, width: int) -> str:
    """As many leading characters of the text as fit."""
    if _is_plain(text):
        return text[: max(width, 0)]
    return text[: sum(taken <= width for taken in accumulate(map(_cells_of, text)))]


def _cells_of(char: str) -> int:
    return 1 if ord(char) in _CONTROLS else get_character_cell_size(char)


def _is_plain(text: str) -> bool:
    return text.isascii() or _PLAIN.fullmatch(text) is not None
