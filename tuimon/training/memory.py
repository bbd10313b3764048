"""Running out of memory, told in the user's terms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from tuimon.errors import TuimonError
from tuimon.spec import Spec


@contextlib.contextmanager
def memory_explained(spec: Spec) -> Iterator[None]:
    """Turns the several errors that mean "no memory left" into one that says what to make smaller.

    Raises:
        TuimonError: in place of such an error; any other passes as it is.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        where = "GPU memory" if isinstance(error, torch.OutOfMemoryError) else "memory"
        first_line = str(error).partition("\n")[0] or type(error).__name__
        raise TuimonError(
            f"Out of {where}: {first_line}",
            f"Try a smaller batch_size (now {spec.data.batch_size}), a smaller model, or precision=bfloat16.",
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    """On the CPU torch raises a plain RuntimeError, known by its text alone."""
    known = "DefaultCPUAllocator" in str(error) or "not enough memory" in str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or known
