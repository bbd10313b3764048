"""Explains out-of-memory errors in the user's terms."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from tuimon.base.errors import TuimonError
from tuimon.spec.spec import Spec

_CPU_WORDS = ("DefaultCPUAllocator", "not enough memory")
_GPU_WORDS = ("CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


@contextlib.contextmanager
def memory_explained(spec: Spec) -> Iterator[None]:
    """Turns the different errors for "out of memory" into one that says what to make smaller.

    Raises:
        TuimonError: instead of an out-of-memory error; other errors pass unchanged.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        where = "GPU memory" if isinstance(error, torch.OutOfMemoryError) or _says(error, _GPU_WORDS) else "memory"
        first_line = str(error).partition("\n")[0] or type(error).__name__
        raise TuimonError(
            f"Out of {where}: {first_line}",
            f"Try a smaller batch_size (now {spec.data.batch_size}), a smaller model, or precision=bfloat16.",
        ) from error


def _is_out_of_memory(error: BaseException) -> bool:
    """On the CPU and in CUDA libraries, torch raises a plain RuntimeError, which only its text identifies."""
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or _says(error, _CPU_WORDS + _GPU_WORDS)


def _says(error: BaseException, words: tuple[str, ...]) -> bool:
    return any(word in str(error) for word in words)
