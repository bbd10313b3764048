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


def print_lines(lines: Iterable[JsonLine]) -> int:
    """Prints JSON lines, as they come."""
    from tuimon.launcher.runs.lines import encoded

    for line in lines:
        sys.stdout.buffer.write(encoded(line))
    sys.stdout.flush()
    return 0


def print_table(rows: Sequence[Sequence[str]], dispensable: Sequence[str] = ()) -> int:
    """Prints rows in columns, titles first. On a narrow terminal, leaves out `dispensable` columns, in their order."""
    from tuimon.viewer.draw.rows import cells  # imports numpy, which completion must not wait for

    rows = [[one_line(text) for text in row] for row in rows]
    columns = [(max(map(cells, column)), column) for column in zip(*rows, strict=True)]
    room = os.get_terminal_size(sys.stdout.fileno()).columns or math.inf if sys.stdout.isatty() else math.inf
    for title in dispensable:
        if sum(width + len(_GAP) for width, _ in columns) - len(_GAP) > room:
            columns = [(width, column) for width, column in columns if column[0] != title]
    for row in zip(*([text + " " * (width - cells(text)) for text in column] for width, column in columns), strict=True):
        print(_GAP.join(row).rstrip())
    return 0
