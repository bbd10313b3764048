"""Appends bytes to a run's event file, through full disks and limits.

Knows only the lengths of records. The file is unbuffered, so what was written survives `kill -9`. Not thread-safe.
"""

from __future__ import annotations

import contextlib
import errno
import os
import time
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.process import host_name
from tuimon.log import wire
from tuimon.log.files import new_name

_MOST_FILES = 64  # that one process begins where files may not grow
_LENGTH_BYTES, _FRAME_BYTES = 8, 16  # of a record: its length comes first; length and checksums together


class Appender:
    """One event file, or the next one when it may not grow further (`ulimit -f`).

    Args:
        folder: the run's folder; made if it is missing.
        suffix: ends the file's name and tells who wrote it.

    Attributes:
        path: the file.

    Raises:
        TuimonError: the folder or the file cannot be made, or the disk is full already.
    """

    def __init__(self, folder: Path, suffix: str) -> None:
        self._suffix, self._files = suffix, 1
        self._torn = self._whole = b""  # what is left to write of a record, and that record from its beginning
        self.path, self._fd = _create(folder, suffix)

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self._fd < 0

    @property
    def torn(self) -> bool:
        """Whether a record was only partly written: `finish` must be called before anything else."""
        return bool(self._torn)

    @property
    def folder(self) -> Path:
        """The folder that holds the file: where it was created or, if the system knows, where it was moved."""
        if not self.path.exists():
            with contextlib.suppress(OSError):
                moved = Path(os.readlink(f"/proc/self/fd/{self._fd}"))
                return moved.parent if moved.exists() else self.path.parent
        return self.path.parent

    def put(self, data: bytes) -> None:
        """Appends whole records. If there is only room for a part, the rest waits for `finish`.

        Raises:
            OSError: there was no room at all; nothing was written.
        """
        try:
            written = os.write(self._fd, data)
        except OSError as error:
            if error.errno != errno.EFBIG or not self._begin_another():
                raise
            return self.put(data)
        if written < len(data):
            self._torn, self._whole = data[written:], data[_torn_from(data, written) :]

    def finish(self) -> None:
        """Writes the rest of a torn record, or all of it if it goes into another file.

        Raises:
            OSError: there is no room for it yet.
        """
        while self._torn:
            try:
                written = os.write(self._fd, self._torn)
            except OSError as error:
                if error.errno != errno.EFBIG or not self._begin_another():
                    raise
                self._torn = self._whole
                continue
            self._torn = self._torn[written:]

    def close(self) -> None:
        """Closes the file. Can be called repeatedly."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _begin_another(self) -> bool:
        if self._files >= _MOST_FILES:
            return False
        try:
            path, fd = _create(self.folder, self._suffix)
        except TuimonError:
            return False
        os.close(self._fd)
        self.path, self._fd = path, fd
        self._files += 1
        return True


def _torn_from(data: bytes, written: int) -> int:
    """Where the record begins that was torn: `data` holds whole records, of which `written` bytes were written."""
    start = 0
    while (end := start + _FRAME_BYTES + int.from_bytes(data[start : start + _LENGTH_BYTES], "little")) <= written:
        start = end
    return start


def _create(folder: Path, suffix: str) -> tuple[Path, int]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for attempt in range(1000):
            path = folder / new_name(folder, f"{host_name()}.{os.getpid()}.{attempt:03d}.{suffix}")
            try:
                fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            except FileExistsError:
                continue
            _begin(path, fd)
            return path, fd
    except OSError as error:
        raise TuimonError(
            f"Cannot write the run's log in {folder}: {error.strerror}.",
            "Choose another folder with --runs-dir or $TUIMON_RUNS.",
        ) from error
    raise TuimonError(f"Cannot write the run's log in {folder}: {path.name} exists, as do a thousand like it.")


def _begin(path: Path, fd: int) -> None:
    """Writes the first record of an event file. If there is no room for it, removes the file and raises OSError."""
    record = wire.frame(wire.version_event(time.time()))
    try:
        if os.write(fd, record) < len(record):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    except OSError:
        os.close(fd)
        path.unlink()
        raise
