"""The curves of `SummaryWriter.add_scalars`, which puts each into a folder of its own within the run's.

`add_scalars("loss", {"train": …, "val": …})` writes the tag `loss` into the folders `loss_train` and `loss_val`. They are the
run's own curves: `loss/train` and `loss/val`. (TensorBoard also lists each folder as a run, and so does `tuimon ls`.)
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tuimon.log import batch, frames
from tuimon.log.batch import Batch
from tuimon.log.files import event_files
from tuimon.log.folders import log_folders

_JOINT = "_"  # between the tag and the name of the curve
_DEPTH = 2  # a curve's name may have slashes
_MOST = 1000  # folders of one run
_PEEK_BYTES = 1 << 16


class Branch(NamedTuple):
    """An event file of a curve of its own, and its folder's path within the run's."""

    file: Path
    folder: str


def branches(run: Path) -> list[Branch]:
    """The event files that `add_scalars` wrote for a run; without those that have no value yet."""
    return [branch for branch in _candidates(run) if _is_one(branch)]


def branch_files(run: Path) -> list[Path]:
    """The event files that may be branches, by the names of their folders; cheaper than to look into them."""
    return [branch.file for branch in _candidates(run)]


def as_curves(found: Batch, folder: str) -> Batch:
    """The scalars of a branch by the names that they have in the run; what else is in it is left out."""
    curves = {curve: points for tag, points in found.scalars.items() if (curve := _curve(tag, folder))}
    return Batch(curves, bytes=found.bytes, left_out=found.left_out)


def _candidates(run: Path) -> list[Branch]:
    try:
        with os.scandir(run) as entries:
            folders = sorted(entry.name for entry in entries if _JOINT in entry.name and entry.is_dir(follow_symlinks=False))
    except OSError:
        return []
    return [
        Branch(file, name if found.name == "." else f"{name}/{found.name}")
        for name in folders[:_MOST]
        for found in log_folders(run / name, _DEPTH)
        for file in event_files(found.path)
    ]


def _is_one(branch: Branch) -> bool:
    try:
        with open(branch.file, "rb") as file:
            buffer = file.read(_PEEK_BYTES)
    except OSError:
        return False
    found = frames.split(buffer)
    scalars = batch.decode(buffer, found.starts, found.lengths, found.used).scalars
    return any(_curve(tag, branch.folder) for tag in scalars)


def _curve(tag: str, folder: str) -> str:
    """What a curve is called in its run; "" if `add_scalars` would not have written that tag into that folder."""
    start = tag.replace("/", _JOINT) + _JOINT
    return f"{tag}/{folder[len(start) :]}" if tag and folder.startswith(start) and folder != start else ""
