"""Finds the event files of a folder, in the order they were created, and describes where one is damaged.

A file's name begins with a number: the second in which it was begun, or one more than the newest file's number where the clock
has been set back since. So names in order are files in order, for TensorBoard too. Imports nothing heavy: a list of runs, or a
run's name, needs no numpy.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

_PREFIX = "events.out.tfevents."
_DIGITS = 10  # of the number in a name; TensorBoard compares names as texts
_LAUNCH = ".launch"  # how the name of a supervisor's file ends


def event_files(path: Path) -> list[Path]:
    """The event files of a folder in the order they were created, or the file itself if `path` is one."""
    if path.is_file():
        return [path]
    try:
        found = [Path(entry.path) for entry in os.scandir(path) if "tfevents" in entry.name and is_kind(entry.is_file)]
    except OSError:
        return []
    return sorted(found, key=order)


def is_kind(ask: Callable[[], bool]) -> bool:
    """Whether an entry of a folder is of a kind; False for a link in a circle, where asking raises."""
    try:
        return ask()
    except OSError:
        return False


def order(path: Path) -> tuple[str, str]:
    """Sort key: by name, but a supervisor's file comes before that of the training it started in the same second."""
    if not path.name.endswith(_LAUNCH):
        return path.name, ""
    return _PREFIX + _number_in(path.name) + ".", path.name


def new_name(folder: Path, rest: str) -> str:
    """A name for a folder's next event file that sorts after all existing ones, whatever the clock says.

    Args:
        folder: the run's folder.
        rest: what follows the number.
    """
    now, newest = int(time.time()), max((path.name for path in event_files(folder)), default="")
    text = _number_in(newest)
    if len(text) != _DIGITS or not text.isascii() or not text.isdigit():
        return _named(now, rest)  # the first, or beside those of another writer, whose names may not be counted on
    number = max(now, int(text))
    if number == int(text) and (rest.endswith(_LAUNCH) or _named(number, rest) < newest):
        number += 1
    return _named(number, rest)


def _named(number: int, rest: str) -> str:
    return f"{_PREFIX}{max(0, number):0{_DIGITS}d}.{rest}"


def _number_in(name: str) -> str:
    return name.removeprefix(_PREFIX).partition(".")[0]


class Damage(NamedTuple):
    """Where an event file cannot be read, and how much of it is missing.

    Attributes:
        path: the file.
        offset: the byte where the unreadable part, or the first of several, begins.
        reason: what is wrong with it.
        left_out: how many records or values are left out, while all others are read; 0 if nothing can be read from there on.
        bytes: how many bytes are not read.
    """

    path: Path
    offset: int
    reason: str
    left_out: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        if not self.left_out:
            return f"{self.path.name} is damaged at byte {self.offset}: {self.reason}; {_size(self.bytes)} cannot be read"
        if self.left_out == 1:
            return f"{self.path.name}: the record at byte {self.offset} is left out ({_size(self.bytes)}): {self.reason}"
        what = f"{self.left_out} records or values, the first at byte {self.offset},"
        return f"{self.path.name}: {what} are left out ({_size(self.bytes)}): {self.reason}"


def _size(count: int) -> str:
    return f"{count:,} bytes".replace(",", " ")
