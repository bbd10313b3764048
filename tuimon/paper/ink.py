"""What the paper can show: colours, more than ASCII, and how much of it there is."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import dataclass
from typing import TextIO

from tuimon.viewer.theme import speaks_unicode

USUAL_COLUMNS, USUAL_LINES = 100, 25  # of a pipe or a file
LEAST_COLUMNS, LEAST_LINES = 20, 8


@dataclass(frozen=True)
class Ink:
    """How to draw: with colours or without, with Unicode's characters or with ASCII's alone."""

    colour: bool = False
    ascii: bool = False


@dataclass(frozen=True)
class Size:
    """Columns and rows of one chart, with its legend and labels."""

    columns: int = USUAL_COLUMNS
    rows: int = USUAL_LINES


def ink_for(stream: TextIO, *, ascii: bool = False, no_colour: bool = False) -> Ink:
    """What a stream can show: colours only on a terminal that has some, unless $NO_COLOR is set."""
    plain = no_colour or "NO_COLOR" in os.environ or os.environ.get("TERM") == "dumb"
    return Ink(
        colour=not plain and stream.isatty(),
        ascii=ascii or not speaks_unicode(stream.encoding or "", os.environ),
    )


def columns_for(stream: TextIO, most: int = USUAL_COLUMNS) -> int:
    """Columns for text on a stream: the terminal's (or $COLUMNS), at most `most`; `most` where there is no terminal."""
    return max(min(_shape(stream).columns, most), LEAST_COLUMNS)


def size_for(stream: TextIO, charts: int = 1) -> Size:
    """A chart's size that suits the terminal ($COLUMNS and $LINES count, as `watch` sets them); several are less tall."""
    shape = _shape(stream)
    rows = min(shape.lines - 1, USUAL_LINES) if charts == 1 else min(shape.lines - 1, 16)
    return Size(max(shape.columns, LEAST_COLUMNS), max(rows, LEAST_LINES))


def _shape(stream: TextIO) -> os.terminal_size:
    if "COLUMNS" not in os.environ and stream is not sys.__stdout__ and stream.isatty():
        return os.get_terminal_size(stream.fileno())  # shutil asks about stdout alone
    return shutil.get_terminal_size((USUAL_COLUMNS, USUAL_LINES + 1))
