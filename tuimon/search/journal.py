"""Optuna's journal file, made safe: a full disk or a killed search never leaves half a line in it.

The lock is the file's own (flock), which the system releases when its holder is killed. Imports Optuna.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend

from tuimon.base.errors import TuimonError

_RETRY_S = 1.0
_FULL = (errno.ENOSPC, errno.EDQUOT)


class Journal(JournalFileBackend):
    """A journal that waits for room on a full disk.

    Args:
        path: the file.
        say: takes one line when the disk is full, and one when there is room again.
        give_up: asked while waiting; True raises TuimonError.
    """

    def __init__(self, path: Path, say: Callable[[str], None], give_up: Callable[[], bool]) -> None:
        super().__init__(str(path))
        self._path, self._say, self._give_up = path, say, give_up

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Appends whole lines, or waits until there is room for all of them.

        Raises:
            TuimonError: they cannot be written.
        """
        data = b"".join(json.dumps(log, separators=(",", ":")).encode() + b"\n" for log in logs)
        told = False
        while True:
            try:
                self._append(data)
                break
            except OSError as error:
                if error.errno not in _FULL or self._give_up():
                    raise TuimonError(f"Cannot write the study's journal {self._path}: {error.strerror}.") from error
                if not told:
                    self._say(f"the disk is full: the search waits until there is room for {self._path}")
                told = True
                time.sleep(_RETRY_S)
        if told:
            self._say("there is room again: the search goes on")

    def _append(self, data: bytes) -> None:
        with open(self._path, "r+b", buffering=0) as file, _locked(file.fileno()):
            end = _end_of_lines(file.fileno())
            try:
                os.ftruncate(file.fileno(), end)
                written = os.pwrite(file.fileno(), data, end)
                if written < len(data):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file.fileno(), end)
                raise


@contextlib.contextmanager
def _locked(descriptor: int) -> Iterator[None]:
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _end_of_lines(descriptor: int) -> int:
    """Where the last whole line ends: a search that was killed may have left half a one."""
    end = os.fstat(descriptor).st_size
    while end and os.pread(descriptor, 1, end - 1) != b"\n":
        end -= 1
    return end
