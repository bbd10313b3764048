"""Waits for room on a full disk, so that how a run ended is still logged. In the supervisor; standard library only."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from tuimon.log.writer import LogWriter

PATIENCE_S = 300.0
_RETRY_S = 0.5


def await_room(log: LogWriter, give_up: Callable[[], bool], patience_s: float = PATIENCE_S) -> bool:
    """Keeps trying to write what a log could not write yet.

    Args:
        log: the log.
        give_up: whether to stop trying at once.
        patience_s: how many seconds to try.

    Returns:
        Whether everything is written.
    """
    deadline = time.monotonic() + patience_s
    log.flush()
    while log.wants_room and time.monotonic() < deadline and not give_up():
        time.sleep(_RETRY_S)
        log.flush()
    return not log.wants_room


def leave_word(path: Path, text: str) -> None:
    """Appends a line to a run's output, whose last block may have room on a full disk."""
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            os.write(descriptor, f"tuimon: {text}\n".encode())
        finally:
            os.close(descriptor)
