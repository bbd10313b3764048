"""The files for a program's output.

One file has all output, in order. If stdout and stderr are kept apart, each has its own file while the program runs, and a
thread copies both into the one file as they grow. Standard library only.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path

OUTPUT = "output.log"
PARTS = ("stdout.log", "stderr.log")  # removed at the end, when everything is in the one file
_PIECE_BYTES = 1 << 18
_SOON_S, _LATER_S = 0.02, 0.2  # time between reads: after new output, and after a while without


class Output:
    """The output files of one program.

    Args:
        run: the run's folder.
        apart: whether to keep stdout and stderr apart.

    Attributes:
        stdout: the descriptor for the program's stdout.
        stderr: the same for its stderr.

    Raises:
        OSError: a file cannot be created.
    """

    def __init__(self, run: Path, apart: bool) -> None:
        self._whole = _append(run / OUTPUT)
        self._parts = [run / name for name in PARTS] if apart else []
        self.stdout, self.stderr = [_append(path) for path in self._parts] or [self._whole] * 2
        self._read: list[int] = []
        self._copier: threading.Thread | None = None
        self._ended = threading.Event()

    def begin(self) -> None:
        """Closes the descriptors that the program has inherited, and starts copying."""
        for descriptor in {self.stdout, self.stderr} - ({self._whole} if self._parts else set()):
            os.close(descriptor)
        if self._parts:
            self._read = [os.open(path, os.O_RDONLY | os.O_CLOEXEC) for path in self._parts]
            self._copier = threading.Thread(target=self._copy_until_ended, name="tuimon-output", daemon=True)
            self._copier.start()

    def end(self, group: int) -> None:
        """Copies the rest, after the program has ended. Output of processes left in its `group` stays in separate files."""
        if self._copier is None:
            return
        self._ended.set()
        self._copier.join()
        try:
            self._copy()
        except OSError:  # disk full: the output stays in its own file
            return
        if not _lives(group):
            for path in self._parts:
                with contextlib.suppress(OSError):
                    path.unlink()

    def _copy_until_ended(self) -> None:
        period = _SOON_S
        while not self._ended.wait(period):
            try:
                period = _SOON_S if self._copy() else min(2 * period, _LATER_S)
            except OSError:  # disk full: try again later
                period = _LATER_S

    def _copy(self) -> bool:
        """Copies new output, and retries what could not be copied before; returns whether there was any."""
        return any([_copy_new(source, self._whole) for source in self._read])


def _copy_new(source: int, target: int) -> bool:
    """Copies from the current position in `source` to its end."""
    copied = False
    while piece := os.read(source, _PIECE_BYTES):
        written = 0
        try:
            while written < len(piece):
                written += os.write(target, piece[written:])
        finally:
            os.lseek(source, written - len(piece), os.SEEK_CUR)
        copied = True
    return copied


def _append(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)


def _lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
