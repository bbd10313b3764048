"""Reads the event files of a run, while they grow or later.

A reader keeps a position in each event file of a folder and returns whole records only. The bytes may come from the file or
from the socket of the training process: both are a `Tail`. It has no thread of its own; call it from one thread.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Protocol

from tuimon.base.errors import TuimonError
from tuimon.log import batch, frames
from tuimon.log.batch import Batch
from tuimon.log.branches import as_curves, branches
from tuimon.log.files import Damage, event_files, order
from tuimon.log.store import Store

READ_BYTES = 8 << 20
_BRANCHES_EVERY = 20  # reads; a viewer makes ten a second


class Tail(Protocol):
    """The bytes of one event file, from any source."""

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Up to `max_bytes` starting at `offset`; empty if there is nothing new yet. Never waits."""
        ...

    def close(self) -> None:
        """Closes the file or connection."""
        ...


class FileTail:
    """The bytes of an event file on this machine."""

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def read(self, offset: int, max_bytes: int) -> bytes:
        """Reads from the file."""
        return os.pread(self._fd, max_bytes, offset)

    def close(self) -> None:
        """Closes the file."""
        os.close(self._fd)


class _EventFile:
    """One event file, and how far it has been read."""

    def __init__(self, path: Path, tail: Tail, known: batch.Known, branch: str = "", brief: bool = False) -> None:
        self.path, self._brief = path, brief
        self.branch = branch  # its folder within the run's, if `add_scalars` made that
        self._known = known
        self.damage: Damage | None = None
        self.left_out: Damage | None = None
        self._tail = tail
        self._offset = 0
        self._rest = bytearray()
        self._needed = 0  # bytes of the record that `_rest` begins with

    def read(self, max_bytes: int) -> Batch:
        if self.damage:
            return Batch({})
        new = self._tail.read(self._offset + len(self._rest), max_bytes)
        if not new:
            return Batch({})
        self._rest += new
        if len(self._rest) < self._needed:  # of a long record: nothing to look at before it is whole
            return Batch({}, bytes=len(new))
        buffer = bytes(self._rest)
        found = frames.split(buffer)
        if found.damage:
            self.damage = _damage(self.path, self._offset + found.used, found.damage, self._offset + len(buffer))
        self._note(_skipped(found))
        decoded = batch.decode(buffer, found.starts, found.lengths, len(new), self._known, self._brief)
        self._note(decoded.left_out)
        self._offset += found.used
        del self._rest[: found.used]
        self._needed = frames.size_of_first(self._rest)
        return as_curves(decoded, self.branch) if self.branch else decoded

    def _note(self, left_out: batch.LeftOut | None) -> None:
        """Remembers where the first is, and counts all."""
        if left_out:
            self.left_out = _added(self.left_out, self.path, self._offset, left_out)

    def close(self) -> None:
        self._tail.close()


class RunReader:
    """Reads a run: all event files of its folder, in the order they were created, or one event file given by its path.

    Curves that PyTorch's `add_scalars` wrote into folders within the run's are the run's own; where it has a tag of that name
    itself, that one counts.

    Args:
        path: the folder or file; files that appear later are read, too.
        tails: opens a file's bytes.
        brief: reads scalars and tuimon's own events only.

    Raises:
        TuimonError: there is no such folder or file.
    """

    def __init__(self, path: Path, tails: Callable[[Path], Tail] = FileTail, brief: bool = False) -> None:
        if not path.exists():
            raise TuimonError(f"There is no run at {path}.", "`tuimon ls` shows the runs of this folder.")
        self.path, self._brief = path, brief
        self._open_tail = tails
        self._files: dict[Path, _EventFile] = {}
        self._known = batch.Known()
        self._tags: set[str] = set()  # of the run's own files
        self._reads = 0

    @property
    def damage(self) -> list[Damage]:
        """Where files stop being readable, and for each file with records left out, where the first of those is."""
        return [damage for file in self._files.values() for damage in (file.left_out, file.damage) if damage]

    def read(self, max_bytes: int = READ_BYTES) -> Batch:
        """The new records of the first file that has any; an empty batch if none has. Never waits."""
        for path in event_files(self.path):
            if path not in self._files:
                self._files[path] = _EventFile(path, self._open_tail(path), self._known, brief=self._brief)
        self._look_for_branches()
        for file in sorted(self._files.values(), key=lambda file: (file.branch, order(file.path))):
            found = file.read(max_bytes)
            if found:
                return self._without_own(found) if file.branch else self._noted(found)
        return Batch({})

    def _look_for_branches(self) -> None:
        if self._reads % _BRANCHES_EVERY == 0:
            for branch in branches(self.path):
                if branch.file not in self._files:
                    tail = self._open_tail(branch.file)
                    self._files[branch.file] = _EventFile(branch.file, tail, batch.Known(), branch.folder, self._brief)
        self._reads += 1

    def _noted(self, found: Batch) -> Batch:
        self._tags |= found.scalars.keys()
        return found

    def _without_own(self, found: Batch) -> Batch:
        return found._replace(scalars={tag: points for tag, points in found.scalars.items() if tag not in self._tags})

    def close(self) -> None:
        """Closes all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()


def read_run(path: str | Path) -> Store:
    """Reads a run's log, written by tuimon or by any other writer of TensorBoard event files.

    Args:
        path: the run's folder, or one event file.

    Returns:
        The store: `store["loss/train"].values` is a float32 array, with `.steps` and `.walls` beside it.

    Raises:
        TuimonError: there is no log at `path`.
    """
    path = Path(path)
    reader = RunReader(path)
    if not event_files(path):
        raise TuimonError(f"{path} holds no event file.", "A run's folder holds files named events.out.tfevents.…")
    store = Store()
    while found := reader.read():
        store.apply(found)
    store.damage = reader.damage
    reader.close()
    return store


def _damage(path: Path, offset: int, reason: str, known: int) -> Damage:
    """Damage from `offset` to the end of the file, which has at least `known` bytes."""
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    return Damage(path, offset, reason, bytes=max(size, known) - offset)


def _skipped(found: frames.Frames) -> batch.LeftOut | None:
    if not len(found.skipped):
        return None
    return batch.LeftOut(len(found.skipped), int(found.skipped[0]), frames.WRONG_BYTES, found.skipped_bytes)


def _added(known: Damage | None, path: Path, base: int, more: batch.LeftOut) -> Damage:
    first = known or Damage(path, base + more.offset, more.reason)
    return first._replace(left_out=first.left_out + more.number, bytes=first.bytes + more.bytes)


class Checked(NamedTuple):
    """What checking a part of an event file found.

    Attributes:
        used: the bytes of its whole records.
        needed: the bytes of the record after them, if its beginning is there.
        skipped: the records so far whose bytes are wrong.
        broken: where the file stops being readable.
    """

    used: int = 0
    needed: int = 0
    skipped: Damage | None = None
    broken: Damage | None = None

    @property
    def damage(self) -> list[Damage]:
        """What is damaged."""
        return [damage for damage in (self.skipped, self.broken) if damage]


def check(path: Path, offset: int, buffer: bytes, before: Checked) -> Checked:
    """Checks the records of a buffer by their checksums, without decoding them.

    Args:
        path: the event file.
        offset: where the buffer begins in it: at a record's start.
        buffer: its bytes.
        before: what checking the part before it found.
    """
    found = frames.split(buffer)
    skipped = _skipped(found)
    return Checked(
        found.used,
        frames.size_of_first(buffer[found.used :]),
        _added(before.skipped, path, offset, skipped) if skipped else before.skipped,
        _damage(path, offset + found.used, found.damage, offset + len(buffer)) if found.damage else None,
    )


def read_part(path: Path, offset: int, max_bytes: int) -> Batch:
    """The whole records that begin within a part of an event file: to look into a long log without reading all of it.

    Args:
        path: the event file.
        offset: where to begin; if above 0, reading begins at the first record after it, found by the checksums of the lengths.
        max_bytes: how much to read.

    Returns:
        What was found, including the damage in that part.
    """
    with open(path, "rb") as file:
        buffer = os.pread(file.fileno(), max_bytes, offset)
    start = 0 if offset == 0 else frames.resync(buffer)
    if start is None:
        return Batch({})
    base, buffer = offset + start, buffer[start:]
    found = frames.split(buffer)
    decoded = batch.decode(buffer, found.starts, found.lengths, found.used)
    damage = [_added(None, path, base, left_out) for left_out in (_skipped(found), decoded.left_out) if left_out]
    if found.damage:
        damage.append(_damage(path, base + found.used, found.damage, base + len(buffer)))
    return decoded._replace(damage=damage)
