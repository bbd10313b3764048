"""Work that the first frame does not need: garbage collection, and importing numpy."""

from __future__ import annotations

import gc
import os

_BLAS_THREADS = "OPENBLAS_NUM_THREADS"


def collect_again() -> None:
    """Enables garbage collection, for objects created from now on."""
    gc.freeze()
    gc.enable()


def import_numpy() -> None:
    """Imports numpy without its BLAS threads: starting them takes as long as the import, and the viewer uses none.

    The environment variable is restored at once, since runs launched from here inherit the environment.
    """
    asked = _BLAS_THREADS in os.environ
    os.environ.setdefault(_BLAS_THREADS, "1")
    import numpy  # noqa: F401

    if not asked:
        os.environ.pop(_BLAS_THREADS, None)
