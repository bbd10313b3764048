"""The verb `check`: checks a spec before training."""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import textwrap
from collections.abc import Iterable
from functools import partial

import msgspec

from tuimon.cli.tables import print_lines
from tuimon.cli.trusting import with_trust
from tuimon.launcher.runs.lines import CheckLine
from tuimon.launcher.start.checking import check as look
from tuimon.launcher.start.trust import require_trust
from tuimon.paper.ink import Size, ink_for
from tuimon.paper.rates import ROWS, rates
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec
from tuimon.training.report import Line, worst
from tuimon.viewer.draw.report import head_rows, line_rows, total_row
from tuimon.viewer.draw.rows import Row
from tuimon.viewer.theme import speaks_unicode

_MOST_COLUMNS, _INDENT = 128, 6
_INK = {"good": "32", "warn": "1;33", "bad": "1;31", "dim": "2", "axis": "2", "name": "1", "train": "36", "marker": "35"}


def check(options: argparse.Namespace) -> int:
    """Prints the report line by line as the checks finish; returns 1 if any of them fails."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # like Ctrl-C: the checking process ends, too
    spec = load_spec(options.source, options.settings)
    with_trust(options, partial(require_trust, spec, options.source))
    lines = _as_json(spec) if options.json else _as_text(spec, options.ascii)
    return int(worst(lines) == "fail")


def _as_json(spec: Spec) -> list[Line]:
    lines = []
    for line in look(spec, trusted=True):
        lines.append(line)
        print_lines([CheckLine(**msgspec.structs.asdict(line))])
    return lines


def _as_text(spec: Spec, ascii: bool) -> list[Line]:
    ascii = ascii or not speaks_unicode(sys.stdout.encoding or "", os.environ)
    width = min(_MOST_COLUMNS, shutil.get_terminal_size((_MOST_COLUMNS, 24)).columns)
    lines: list[Line] = []
    _print(head_rows(spec.name, width))
    for line in look(spec, trusted=True):
        lines.append(line)
        _print(line_rows(msgspec.structs.replace(line, points=()), width, ascii))
        if line.points:
            ink = ink_for(sys.stdout, ascii=ascii)
            print(textwrap.indent("\n".join(rates(line, Size(width - _INDENT, ROWS), ink)), " " * _INDENT), flush=True)
    _print([total_row(lines)])
    return lines


def _print(rows: Iterable[Row]) -> None:
    coloured = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    for row in rows:
        print("".join(_inked(*span) if coloured else span.text for span in row).rstrip(), flush=True)


def _inked(text: str, style: str) -> str:
    return f"\x1b[{_INK[style]}m{text}\x1b[0m" if style in _INK else text
