"""The verb `report`: a run's story as one HTML page, or as text."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.launcher.runs.runs import find_run, run_name, runs_dir
from tuimon.launcher.runs.summary import summarize
from tuimon.log.reader import read_run


def report(options: argparse.Namespace) -> int:
    """Writes the report of one run; says where it lies."""
    from tuimon.paper.story import story_of

    directory = runs_dir(options.runs_dir)
    path = find_run(options.run, directory)
    name, store, status = run_name(path, directory), read_run(path), summarize(path).status
    if not store.series and not store.events:
        raise TuimonError(f"{one_line(name)}: its log is empty.", "`tuimon dump RUN` prints what there is.")
    story = story_of(name, path, store, status)
    if options.text:
        from tuimon.paper.ink import columns_for, ink_for
        from tuimon.paper.report_text import text_of

        ink = ink_for(sys.stdout, ascii=options.ascii, no_colour=options.output is not None)
        text = "\n".join(text_of(story, store, columns_for(sys.stdout), ink)) + "\n"
    else:
        from tuimon.paper.report_page import html_of

        text = html_of(story, store)
    output = options.output or (None if options.text else f"{Path(name).name}.html")
    if output in (None, "-"):
        sys.stdout.write(text)
        return 0
    _write(Path(output), text)
    print(one_line(os.path.abspath(output)))
    return 0


def _write(path: Path, text: str) -> None:
    """As a whole or not at all, so that a report that was there is not cut off."""
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8", errors="replace")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
