"""What every drawing function returns: rows of styled spans, as plain data.

A style is a word for what a span means ("train", "axis", "bad"), never a colour; whoever shows the rows maps words to
colours. Knows nothing of terminals, widgets or themes. Pure functions, any thread.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import NamedTuple


class Span(NamedTuple):
    """A stretch of text of one meaning. Every character is one cell wide."""

    text: str
    style: str = ""


Row = list[Span]


def text_of(row: Iterable[Span]) -> str:
    """The row's characters without its styles."""
    return "".join(span.text for span in row)


def width_of(row: Iterable[Span]) -> int:
    """How many cells the row takes."""
    return sum(len(span.text) for span in row)


def fit(row: Iterable[Span], width: int) -> Row:
    """The row cut or padded with spaces to exactly `width` cells."""
    kept: Row = []
    left = max(width, 0)
    for text, style in row:
        if left <= 0:
            break
        kept.append(Span(text[:left], style))
        left -= len(text)
    if left > 0:
        kept.append(Span(" " * left))
    return kept


def clip(row: Sequence[Span], width: int, ascii: bool = False) -> Row:
    """As `fit`, but a row that loses more than spaces says so in its last cell."""
    kept = fit(row, width)
    if len(text_of(row).rstrip()) <= width or not kept:
        return kept
    return overlay(kept, width - 1, "~" if ascii else "…", kept[-1].style)


def blank(width: int, height: int) -> list[Row]:
    """Empty rows."""
    return [fit([], width) for _ in range(max(height, 0))]


def runs(text: str, styles: Sequence[str]) -> Row:
    """A row from characters and one style for each; neighbours of one style become one span."""
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
    return [*before, Span(text, style), *_skip(row, column + len(text))]


def _skip(row: Row, count: int) -> Row:
    kept: Row = []
    for text, style in row:
        if len(text) > count:
            kept.append(Span(text[max(count, 0) :], style))
        count -= len(text)
    return kept


def shorten(text: str, width: int, ascii: bool = False) -> str:
    """The text in at most `width` cells, cut in the middle: the ends of a layer's name tell it apart."""
    if len(text) <= width:
        return text
    mark = "~" if ascii else "…"
    if width <= 1:
        return mark[: max(width, 0)]
    head = (width - 1) // 2
    return text[:head] + mark + text[len(text) - (width - 1 - head) :]
