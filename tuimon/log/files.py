"""Which files of a folder are event files, and where one stops being readable.

Imports nothing heavy: a list of runs, or a run's name, needs no numpy.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple


def event_files(path: Path) -> list[Path]:
    """The event files of a folder by name (their names begin with their time), or the one that `path` is."""
    if path.is_file():
        return [path]
    try:
        return sorted(Path(entry.path) for entry in os.scandir(path) if "tfevents" in entry.name and entry.is_file())
    except OSError:
        return []


class Damage(NamedTuple):
    """Where an event file cannot be read.

    It stops being readable there: what lies before is kept, what lies behind is not read. Or, where `left_out` is not 0, so
    many whole records or parts of them are left out, the first of them at `offset`, and all else is read.
    """

    path: Path
    offset: int
    reason: str
    left_out: int = 0

    def __str__(self) -> str:
        if self.left_out:
            return f"{self.path.name}: the record at byte {self.offset} cannot be read and is left out: {self.reason}"
        return f"{self.path.name} is damaged at byte {self.offset}: {self.reason}; what lies before it is shown"
