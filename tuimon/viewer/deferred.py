"""What the first frame need not wait for: collecting garbage, and numpy."""

from __future__ import annotations

import gc
import os

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


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
