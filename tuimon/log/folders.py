"""Finds the folders that hold event files, at every depth below a folder. Imports nothing heavy.

As TensorBoard walks them: links are followed, and a link that leads back to a folder it lies in is not.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tuimon.log.files import is_kind

_LINKED_TIMES = 8  # one folder is entered by so many links: links among folders could make endlessly many paths

_Identity = tuple[int, int]  # device, inode


class LogFolder(NamedTuple):
    """A folder that holds event files itself.

    Attributes:
        name: its path below the folder where the search began, with slashes; `.` for that folder.
        path: its path.
        newest: the name of the event file that was begun last.
    """

    name: str
    path: Path
    newest: str


def log_folders(top: str | os.PathLike[str], depth: int | None = None) -> Iterator[LogFolder]:
    """The folders with event files, in no certain order; those that cannot be read are left out.

    Args:
        top: where to begin; itself included.
        depth: how many levels below it to look at; None for all.
    """
    pending = [(os.fspath(top), "")]
    entered: Counter[_Identity] = Counter()
    while pending:
        path, name = pending.pop()
        newest, folders = _look(path)
        if newest:
            yield LogFolder(name or ".", Path(path), newest)
        if depth is not None and (name.count("/") + 1 if name else 0) >= depth:
            continue
        for folder in folders:
            below = f"{name}/{folder.name}" if name else folder.name
            if not folder.is_symlink() or _may_enter(folder, path, below, entered):
                pending.append((folder.path, below))


def _look(path: str) -> tuple[str, list[os.DirEntry[str]]]:
    """The newest event file of a folder, "" for none, and the folders in it."""
    newest, folders = "", []
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if is_kind(entry.is_dir):
                    folders.append(entry)
                elif "tfevents" in entry.name and is_kind(entry.is_file):
                    newest = max(newest, entry.name)
    except OSError:
        pass
    return newest, folders


def _may_enter(link: os.DirEntry[str], path: str, below: str, entered: Counter[_Identity]) -> bool:
    """Whether to follow a link in the folder `path`: not back to where it lies, and not to one place over and over."""
    target = _identity(link.path)
    if target is None or any(_identity(above) == target for above in _upwards(path, below.count("/"))):
        return False
    entered[target] += 1
    return entered[target] <= _LINKED_TIMES


def _upwards(path: str, levels: int) -> Iterator[str]:
    """A folder and those around it, so many levels up."""
    for _ in range(levels + 1):
        yield path
        path = os.path.dirname(path)


def _identity(path: str) -> _Identity | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino
