"""Looks for damage in what a glance at a log leaves out, by checksums alone, for as long as is allowed.

Reads and checks about half a gigabyte a second. Remembers how far each file was looked through, so that what grows is looked
through once, and what was left for want of time is next. For one thread.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tuimon.launcher.runs.glance import is_read_whole
from tuimon.log.files import Damage, event_files
from tuimon.log.reader import Checked, check

_PIECE_BYTES = 4 << 20


_NOTHING = Checked()
LIST_S = 0.5  # for one list of runs


@dataclass
class _Looked:
    """How far a file was looked through, and what was found."""

    to: int = 0
    found: Checked = _NOTHING


class Scan:
    """Damage in large logs.

    Args:
        seconds: for how long to look, all runs together; `allow` sets it anew.
    """

    def __init__(self, seconds: float = LIST_S) -> None:
        self._left = seconds
        self._files: dict[Path, _Looked] = {}
        self._lock = threading.Lock()

    def allow(self, seconds: float = LIST_S) -> None:
        """Sets for how long to look from now on."""
        self._left = seconds

    def damage(self, run: Path, seen: Iterable[Damage] = ()) -> tuple[Damage, ...]:
        """What is known of a run by now, after looking further while there is time.

        Args:
            run: the run's folder.
            seen: what a glance found, which may be a part of the same.
        """
        with self._lock:
            found = [damage for path in event_files(run) for damage in self._look_on(path).found.damage]
        known = {(damage.path, damage.reason) for damage in found}
        return (*found, *(damage for damage in seen if (damage.path, damage.reason) not in known))

    def _look_on(self, path: Path) -> _Looked:
        looked = self._files.get(path) or _Looked()
        try:
            size = path.stat().st_size
            if size < looked.to:  # it is another file by now
                looked = _Looked()
            if not is_read_whole(size) and self._left > 0:
                self._files[path] = looked
                self._look_to(size, path, looked)
        except OSError:  # the run's own state says so
            return _Looked()
        return looked

    def _look_to(self, size: int, path: Path, looked: _Looked) -> None:
        with open(path, "rb") as file:
            wanted = _PIECE_BYTES
            while looked.to < size and not looked.found.broken and self._left > 0:
                began = time.monotonic()
                piece = os.pread(file.fileno(), wanted, looked.to)
                looked.found = check(path, looked.to, piece, looked.found)
                looked.to += looked.found.used
                self._left -= time.monotonic() - began
                if not looked.found.used and looked.found.needed <= wanted:
                    return  # the last record is not whole yet
                wanted = max(_PIECE_BYTES, looked.found.needed)
