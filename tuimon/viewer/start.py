"""Starting the viewer soon: what would only cost time before the first pictures are out is put off, or left out.

Imports nothing of Textual at the top: `show` is what begins to.
"""

from __future__ import annotations

import gc
import os
from pathlib import Path

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def show(runs_dir: Path, open_run: Path | None = None, launch: bool = False, ascii: bool = False) -> None:
    """Shows the screen until the user leaves it; see `tuimon.viewer.app.run_app`."""
    gc.disable()  # modules, styles and widgets stay: looking through them again and again would be a third of the start
    from tuimon.viewer.app import run_app

    run_app(runs_dir, open_run, launch, ascii)


def collect_again() -> None:
    """Has garbage collected from now on, of what is made from now on."""
    gc.freeze()
    gc.enable()


def import_numpy() -> None:
    """Imports numpy without the threads of its linear algebra: starting them costs as much as the import, and none is used.

    The variable that says so is taken back at once, as runs that are launched from here inherit the environment.
    """
    asked = _BLAS_THREADS in os.environ
    os.environ.setdefault(_BLAS_THREADS, "1")
    import numpy  # noqa: F401

    if not asked:
        os.environ.pop(_BLAS_THREADS, None)
