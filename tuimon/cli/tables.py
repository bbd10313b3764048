"""Prints tables and JSON to standard output."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from tuimon.base.plain import one_line

if TYPE_CHECKING:
    from tuimon.launcher.runs.lines import JsonLine

_GAP = "  "
_LEAST_ELASTIC = 12  # cells of a column whose texts may be shortened


def print_lines(lines: Iterable[JsonLine]) -> int:
    """Prints JSON lines, as they come."""
    from tuimon.launcher.runs.lines import encoded

    for line in lines:
        sys.stdout.buffer.write(encoded(line))
    sys.stdout.flush()
    return 0


def print_names(names: Iterable[str]) -> int:
    """Prints one name a line, for other programs."""
    for name in names:
        print(one_line(name))
    return 0


def print_table(rows: Sequence[Sequence[str]], dispensable: Sequence[str] = (), elastic: str = "") -> int:
    """Prints rows in columns, titles first.

    Args:
        rows: the cells; the titles come first.
        dispensable: titles of columns to leave out on a narrow terminal, in this order.
        elastic: the title of the last column, if its texts may be shortened there.
    """
    from tuimon.viewer.draw.rows import cells, cut  # imports numpy, which completion must not wait for

    columns = [[one_line(text) for text in column] for column in zip(*rows, strict=True)]
    titles, widths = [column[0] for column in columns], [max(map(cells, column)) for column in columns]
    room = os.get_terminal_size(sys.stdout.fileno()).columns or math.inf if sys.stdout.isatty() else math.inf
    least = [min(width, _LEAST_ELASTIC) if title == elastic else width for title, width in zip(titles, widths, strict=True)]
    kept = _kept(titles, least, dispensable, room)
    spare = room - sum(least[i] + len(_GAP) for i in kept) + len(_GAP)
    for row in zip(*columns, strict=True):
        told = [row[i] + " " * (widths[i] - cells(row[i])) for i in kept if titles[i] != elastic]
        told += [cut(row[i], int(min(widths[i], least[i] + spare))) for i in kept if titles[i] == elastic]
        print(_GAP.join(told).rstrip())
    return 0


def _kept(titles: Sequence[str], widths: Sequence[int], dispensable: Sequence[str], room: float) -> list[int]:
    """The columns that fit."""
    kept = list(range(len(titles)))
    for title in dispensable:
        if sum(widths[i] + len(_GAP) for i in kept) - len(_GAP) > room:
            kept = [i for i in kept if titles[i] != title]
    return kept
