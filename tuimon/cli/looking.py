"""The verb `look`: prints validation samples with what the model made of them."""

from __future__ import annotations

import argparse
import sys

from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.runs import find_run, runs_dir
from tuimon.log.confusion import PREFIX as CONFUSION
from tuimon.log.reader import read_run
from tuimon.log.seen import seen_in
from tuimon.paper.ink import columns_for, ink_for
from tuimon.viewer.draw.pictures import PIXEL
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.draw.samples import sample_rows

_MOST_COLUMNS = 200
_INK = {"good": "32", "bad": "31", "dim": "2", "header": "1", "name": "1"}


def look(options: argparse.Namespace) -> int:
    """Prints the samples of the last validation of a run that logged some."""
    run = find_run(options.run, runs_dir(options.runs_dir))
    store = read_run(run)
    seen = seen_in(store, options.step)
    if seen is None:
        when = "" if options.step is None else f" at or before step {options.step}"
        hint = "Presets log them at validations (training.samples); a script with monitor.samples(inputs, targets, outputs)."
        raise TuimonError(f"{run.name}: no samples were logged{when}.", hint)
    ink = ink_for(sys.stdout, ascii=options.ascii, no_colour=options.no_color)
    for row in sample_rows(
        seen, columns_for(sys.stdout, _MOST_COLUMNS), most=options.worst, ascii=ink.ascii, shaded=ink.ascii or not ink.colour
    ):
        print(_printed(row, ink.colour))
    if any(tag.startswith(CONFUSION) for tag in store.texts):
        print(f"\nnext  tuimon plot {run.name} --kind confusion")
    return 0


def _printed(row: Row, coloured: bool) -> str:
    return "".join(_inked(span) if coloured else span.text for span in row).rstrip()


def _inked(span: Span) -> str:
    if span.style.startswith(PIXEL):
        upper, lower = (_rgb(colour) for colour in span.style.removeprefix(PIXEL).split("-"))
        return f"\x1b[38;2;{upper};48;2;{lower}m{span.text}\x1b[0m"
    return f"\x1b[{_INK[span.style]}m{span.text}\x1b[0m" if span.style in _INK else span.text


def _rgb(colour: str) -> str:
    return ";".join(str(int(colour[at : at + 2], 16)) for at in (0, 2, 4))
