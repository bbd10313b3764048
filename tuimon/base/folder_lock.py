"""One trainer in a run's folder: a lock that the training process holds, whatever logs, clocks and users say.

It is an flock on the file `trainer.lock` in the folder. The kernel releases it when the process ends, however it ends, so it is
never stale; the file names the process that holds it, for messages alone. Forked children, such as DataLoader workers, close
their copy, and programs that are executed get none. On NFS the server keeps the lock and other hosts see it (Linux 2.6.12 and
later), unless the mount says `nolock` or `local_lock`. Where a file system has no locks, nobody is kept out, and
`FolderLock.error` says so.

Standard library and msgspec only; any thread.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
import time
import weakref
from collections.abc import Callable
from pathlib import Path

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.outside import json_decoder
from tuimon.base.process import Process, host_name, this_process

LOCK_FILE = "trainer.lock"

_decode_process: Callable[[str | bytes], Process] = json_decoder(Process)
_POLL_S = 0.02
_MOST_BYTES = 1024
_BUSY = (errno.EWOULDBLOCK, errno.EACCES)  # EACCES: some network file systems


class FolderTaken(TuimonError):
    """Another process holds the folder's lock; `holder` names it: `process 123`, `process 123 on gpu7`."""

    def __init__(self, folder: Path, holder: str) -> None:
        hint = f"`tuimon stop --now {folder.name}` ends it, or use another folder: each process that trains needs its own."
        super().__init__(f"Cannot train in {folder}: {holder} is training there.", hint)
        self.holder = holder


class FolderLock:
    """A folder's lock, held until `release` or the end of the process; made by `lock_folder`.

    Attributes:
        error: why it keeps nobody out; empty where it does.
        lasting: whether only the end of the process releases it.
    """

    def __init__(self, descriptor: int, error: str = "") -> None:
        self.error = error
        self.lasting = False
        self._descriptor = descriptor
        _locks.add(self)

    def release(self) -> None:
        """Lets others train in the folder. Harmless when repeated."""
        if self.lasting:
            return
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                fcntl.flock(descriptor, fcntl.LOCK_UN)  # for all copies: a child may have just been forked
            os.close(descriptor)

    def forget(self) -> None:
        """Closes a forked child's copy; the lock stays with its parent."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


def lock_folder(folder: Path, patience_s: float = 0.0) -> FolderLock:
    """Takes a folder's lock.

    Args:
        folder: the run's folder; made if it is missing.
        patience_s: how long to wait for another process to release it.

    Raises:
        FolderTaken: another process holds it, or this one does already.
    """
    deadline = time.monotonic() + patience_s
    while isinstance(found := _try(folder), str):
        if time.monotonic() >= deadline:
            raise FolderTaken(folder, holder=found)
        time.sleep(_POLL_S)
    return found


def _try(folder: Path) -> FolderLock | str:
    """The lock; else who holds it."""
    try:
        descriptor = _open(folder)
    except OSError as error:
        return _no_lock(folder, error)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        found = _holder(descriptor) if error.errno in _BUSY else _no_lock(folder, error)
        os.close(descriptor)
        return found
    if not _is_at(descriptor, folder / LOCK_FILE):  # somebody has just removed or replaced it: nobody else would find this lock
        os.close(descriptor)
        return _try(folder)
    _sign(descriptor)
    return FolderLock(descriptor)


def _no_lock(folder: Path, error: OSError) -> FolderLock:
    return FolderLock(-1, f"{folder / LOCK_FILE} cannot be locked: {error.strerror}")


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path))
    except OSError:
        return False


def _open(folder: Path) -> int:
    """Opens the lock's file. It may be another user's, and then anything."""
    folder.mkdir(parents=True, exist_ok=True)
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | flags, 0o644)
    except PermissionError:
        descriptor = os.open(folder / LOCK_FILE, os.O_RDONLY | flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return descriptor


def _sign(descriptor: int) -> None:
    """Writes into the file who holds it; not into another user's, nor into one that has another name elsewhere."""
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_nlink > 1:
        return
    with contextlib.suppress(OSError):  # a full disk
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, msgspec.json.encode(this_process()) + b"\n", 0)


def _holder(descriptor: int) -> str:
    try:
        process = _decode_process(os.pread(descriptor, _MOST_BYTES, 0))
    except (OSError, ValueError):
        return "another process"
    return f"process {process.pid}" + (f" on {process.host}" if process.host != host_name() else "")


_locks: weakref.WeakSet[FolderLock] = weakref.WeakSet()


def _forget_in_forked_child() -> None:
    for lock in list(_locks):
        lock.forget()


os.register_at_fork(after_in_child=_forget_in_forked_child)
