"""The verb `look`: prints validation samples with what the model made of them, or paths over one or two weights."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.launcher.runs.runs import find_run, run_name, runs_dir
from tuimon.log.confusion import PREFIX as CONFUSION
from tuimon.log.path import Path, path_of
from tuimon.log.reader import read_run
from tuimon.log.seen import seen_in
from tuimon.log.store import Store
from tuimon.paper.ink import Ink, columns_for, ink_for
from tuimon.viewer.draw.paths import path_rows
from tuimon.viewer.draw.pictures import PIXEL
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.draw.samples import sample_rows

_MOST_COLUMNS = 200
_INK = {"good": "32", "bad": "31", "dim": "2", "header": "1", "name": "1"}


def look(options: argparse.Namespace) -> int:
    """Prints the samples of each run's last validation that logged some; all paths over one function in one picture."""
    directory = runs_dir(options.runs_dir)
    runs = {run_name(path, directory): read_run(path) for path in (find_run(name, directory) for name in options.runs)}
    ink = ink_for(sys.stdout, ascii=options.ascii, no_colour=options.no_color)
    functions: dict[tuple[str, float], dict[str, Path]] = {}
    for name, store in runs.items():
        if path := path_of(store):
            functions.setdefault((path.function, path.condition), {})[name] = path
    shaded = ink.ascii or not ink.colour
    for paths in functions.values():
        _print(path_rows(paths, columns_for(sys.stdout, _MOST_COLUMNS), ascii=ink.ascii, shaded=shaded), ink)
    others = {name: store for name, store in runs.items() if not path_of(store)}
    for name, store in others.items():
        if len(runs) > 1:
            print(f"{one_line(name)}:")
        _look_at(name, store, options, ink)
    return 0


def _look_at(name: str, store: Store, options: argparse.Namespace, ink: Ink) -> None:
    seen = seen_in(store, options.step)
    if seen is None:
        when = "" if options.step is None else f" at or before step {options.step}"
        hint = "Presets log them at validations (training.samples); a script with monitor.samples(inputs, targets, outputs)."
        raise TuimonError(f"{one_line(name)}: no samples were logged{when}.", hint)
    width, shaded = columns_for(sys.stdout, _MOST_COLUMNS), ink.ascii or not ink.colour
    _print(sample_rows(seen, width, most=options.worst, ascii=ink.ascii, shaded=shaded), ink)
    if any(tag.startswith(CONFUSION) for tag in store.texts):
        print(f"\nnext  tuimon plot {one_line(name)} --kind confusion")


def _print(rows: Sequence[Row], ink: Ink) -> None:
    for row in rows:
        print(_printed(row, ink.colour))


def _printed(row: Row, coloured: bool) -> str:
    return "".join(_inked(span) if coloured else span.text for span in row).rstrip()


def _inked(span: Span) -> str:
    if span.style.startswith(PIXEL):
        upper, lower = (_rgb(colour) for colour in span.style.removeprefix(PIXEL).split("-"))
        return f"\x1b[38;2;{upper};48;2;{lower}m{span.text}\x1b[0m"
    return f"\x1b[{_INK[span.style]}m{span.text}\x1b[0m" if span.style in _INK else span.text


def _rgb(colour: str) -> str:
    return ";".join(str(int(colour[at : at + 2], 16)) for at in (0, 2, 4))
