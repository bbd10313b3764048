"""The file through which a run is steered where its socket cannot be reached: on a node of a cluster that shares its folder.

Who steers appends one command a line; the run looks at most once a second, and only where its launcher told it to. Answers are
in the run's log. Standard library only.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tuimon.base.errors import TuimonError

INBOX_FILE = "commands.jsonl"
LONGEST_LINE = 64 * 1024
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def put(folder: Path, line: bytes) -> None:
    """Appends one line. Any process.

    Raises:
        TuimonError: it cannot be written, or the file is not the caller's own.
    """
    path = folder / INBOX_FILE
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _FLAGS, 0o600)
        try:
            if not is_own(descriptor):
                raise TuimonError(f"Cannot write to {path}: it is another user's, or others can write to it.")
            if os.write(descriptor, line + b"\n") <= len(line):
                raise TuimonError(f"Cannot write to {path}: the disk is full.")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise TuimonError(f"Cannot write to {path}: {error.strerror}.") from error


def size(folder: Path) -> int:
    """How long it is; 0 where there is none."""
    try:
        return os.stat(folder / INBOX_FILE, follow_symlinks=False).st_size
    except OSError:
        return 0


def lines_from(folder: Path, offset: int, most_bytes: int) -> tuple[list[bytes], int]:
    """The whole lines from a byte on, and where the next one begins; none from a file that others can write to.

    Raises:
        OSError: it cannot be read.
    """
    descriptor = os.open(folder / INBOX_FILE, os.O_RDONLY | _FLAGS)
    try:
        if not is_own(descriptor):
            return [], offset
        found = os.pread(descriptor, most_bytes, offset)
    finally:
        os.close(descriptor)
    whole, newline, _ = found.rpartition(b"\n")
    if not newline:
        return [], offset + (len(found) if len(found) >= LONGEST_LINE else 0)
    return whole.split(b"\n"), offset + len(whole) + 1


def is_own(descriptor: int) -> bool:
    """Whether an open file is a regular one that only this user can write to."""
    found = os.fstat(descriptor)
    return stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
