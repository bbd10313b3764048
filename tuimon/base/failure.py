"""An exception in words, as the end of a run is told. Standard library only; any process."""

from __future__ import annotations

_NO_MEMORY = ("out of memory", "can't allocate memory", "alloc_failed")  # how torch and its libraries put it, in lower case


def told(error: BaseException) -> str:
    """Its type and text, and first of all that memory ran out, of the host or of a GPU, where that is what it says."""
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # an exception of the user's own, whose text cannot be had
        text = type(error).__name__
    return f"out of memory: {text}" if _is_want_of_memory(error, text) else text


def _is_want_of_memory(error: BaseException, text: str) -> bool:
    """PyTorch says in the words of a RuntimeError only that the host's memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in text.lower() for words in _NO_MEMORY)
