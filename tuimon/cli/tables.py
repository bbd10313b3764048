"""Tables and JSON on standard output."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Sequence
from typing import Any

import msgspec

from tuimon.base.plain import one_line

_GAP = "  "


def print_json(value: Any) -> int:
    """Prints a value as indented JSON; NaN is null."""
    print(msgspec.json.format(msgspec.json.encode(value)).decode())
    return 0


def print_table(rows: Sequence[Sequence[str]], dispensable: Sequence[str] = ()) -> int:
    """Prints rows, the first being titles, in columns; on a terminal without those `dispensable` ones that do not fit."""
    from tuimon.viewer.draw.rows import cells  # only here: names alone, for a shell's completion, need no numpy

    rows = [[one_line(text) for text in row] for row in rows]
    columns = [(max(map(cells, column)), column) for column in zip(*rows, strict=True)]
    room = os.get_terminal_size(sys.stdout.fileno()).columns or math.inf if sys.stdout.isatty() else math.inf
    for title in dispensable:
        if sum(width + len(_GAP) for width, _ in columns) - len(_GAP) > room:
            columns = [(width, column) for width, column in columns if column[0] != title]
    for row in zip(*([text + " " * (width - cells(text)) for text in column] for width, column in columns), strict=True):
        print(_GAP.join(row).rstrip())
    return 0
