"""Keeps earlier checkpoints of a run, spread over its steps, so that it can be forked from where it was before.

`last.pt` is replaced at each save. Here each gets a second name, a hard link, which costs no writing; when there are too many,
those that are closest to others go first, so the rest stay spread over the whole run.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuimon.training import checkpoint

FOLDER = "kept"  # in the folder of checkpoints
MOST_BYTES = 1 << 30

_NAME = re.compile(r"step-(\d+)\.pt")


def keep(last: Path, step: int, most: int, most_bytes: int = MOST_BYTES) -> None:
    """Keeps the checkpoint that was just written, and removes others until no more are left than allowed.

    Args:
        last: the file `last.pt`.
        step: its step.
        most: how many to keep, besides `last.pt` and `best.pt`; 0 keeps none.
        most_bytes: how large all of them together may be.

    Raises:
        OSError: it cannot be kept, for example because the disk is full.
    """
    folder = last.parent / FOLDER
    room = min(most, most_bytes // max(1, last.stat().st_size))
    if room < 1:
        return
    folder.mkdir(exist_ok=True)
    path = folder / f"step-{step}.pt"
    path.unlink(missing_ok=True)
    _link(last, path)
    files = kept_in(folder)
    for gone in files.keys() - set(spread(sorted(files), room)):
        files[gone].unlink(missing_ok=True)


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint. If there is no room for it, the kept ones give way: they matter less than the state of now.

    Raises:
        OSError: it could not be written; the previous one is unchanged.
    """
    try:
        checkpoint.save(path, content)
    except OSError:
        older = kept_in(path.parent / FOLDER)
        if not older:
            raise
        for file in older.values():
            file.unlink(missing_ok=True)
        checkpoint.save(path, content)


def kept_in(folder: Path) -> dict[int, Path]:
    """The checkpoints of a folder that are named after their step."""
    return {int(found[1]): path for path in folder.glob("step-*.pt") if (found := _NAME.fullmatch(path.name))}


def spread(steps: Sequence[int], most: int) -> list[int]:
    """At most `most` (≥ 1) of some ascending steps, always the last one: those in the most crowded places are left out."""
    left = list(steps)
    while len(left) > most:
        inner = range(len(left) - 1)
        del left[min(inner, key=lambda i: left[i + 1] - (left[i - 1] if i else 0))]
    return left


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # some file systems have no hard links
        shutil.copyfile(source, target)
