"""Starts the viewer, quickly: work that the first frame does not need is deferred or skipped.

Imports nothing from Textual at the top; `show` does.
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tuimon.base.errors import TuimonError


def show(
    runs_dir: Path,
    open_run: Path | None = None,
    launch: bool = False,
    ascii: bool = False,
    compare: Sequence[Path] = (),
    study: Path | None = None,
) -> None:
    """Shows the viewer until the user quits it or its terminal goes away.

    Args:
        runs_dir: the folder of runs; it may not exist yet.
        open_run: a run to open at once.
        launch: open the Launch screen at once.
        ascii: draw with ASCII characters only. Also used where the terminal cannot show others.
        compare: runs to compare at once.
        study: a study to open at once.

    Raises:
        TuimonError: the screen failed; the terminal has been restored.
    """
    gc.disable()  # modules, styles and widgets stay alive: collecting among them would take a third of the start-up time
    from tuimon.viewer import terminal, theme
    from tuimon.viewer.app import TuimonApp

    fd = sys.__stdin__.fileno() if sys.__stdin__ else 0
    plain = ascii or not theme.speaks_unicode(sys.__stdout__.encoding if sys.__stdout__ else "", os.environ)
    if sys.__stderr__ and sys.__stdout__ and not sys.__stderr__.isatty():
        sys.__stderr__ = sys.__stdout__  # type: ignore[misc]  # Textual draws on stderr, which `2> file` would take away
    for stale in ("COLUMNS", "LINES"):  # if exported, these hold another terminal's size, and Textual would trust them
        os.environ.pop(stale, None)
    app = TuimonApp(runs_dir, open_run, launch, plain)
    app.compare_first(compare)
    app.study_first(study)
    terminal.leave_when_gone(fd, terminal.leave_at_once)
    terminal.leave_on_signals(fd, app.leave_soon)
    app.run()
    if app.return_code or app.failure:
        raise TuimonError(f"The screen failed: {app.failure or 'Textual gave no reason'}. Your runs are not affected.")
