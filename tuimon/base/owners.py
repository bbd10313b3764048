"""Who owns a process or a file, and who else can change the file. Standard library only; any thread."""

from __future__ import annotations

import errno
import functools
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from pathlib import Path

_MOST_LINKS = 40  # as in the kernel


def user_name(uid: int) -> str:
    """Returns the user's name; `uid 1234` if the system has no name for it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def process_owner(pid: int) -> int | None:
    """Returns the effective uid of a live process; None if there is no such process."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return _process_owner_elsewhere(pid) if not os.path.isdir("/proc/self") else None


def _process_owner_elsewhere(pid: int) -> int | None:
    """Asks psutil, on systems without /proc (macOS)."""
    import psutil

    try:
        return int(psutil.Process(pid).uids().effective)
    except psutil.Error:
        return None


def outsider(path: Path) -> str:
    """Says who besides the caller and root can change the file at `path`: `/shared/a belongs to mallory`; empty if nobody can.

    Every folder and symbolic link on the way counts: whoever can change one of them can replace what lies behind it. A sticky
    folder that others may write to, such as /tmp, is harmless on the way, but not as `path` itself.

    Raises:
        OSError: there is no such file, or it cannot be checked.
    """
    *way, target = _way_to(path)
    for place, found in way:
        if reason := _owned_by_another(place, found) or ("" if found.st_mode & stat.S_ISVTX else _open_to_others(place, found)):
            return reason
    return _owned_by_another(*target) or _open_to_others(*target)


def _way_to(path: Path) -> Iterator[tuple[str, os.stat_result]]:
    """Yields everything that decides what a path means, from the root: each folder and symbolic link, the target last."""
    current, links = "/", 0
    waiting = os.path.join(os.getcwd(), path).split("/")  # not abspath, which takes `link/..` for the folder of the link
    yield current, os.lstat(current)
    while waiting:
        part = waiting.pop(0)
        if part in ("", "."):
            continue
        if part == "..":
            current = os.path.dirname(current)
            continue
        place = os.path.join(current, part)
        found = os.lstat(place)
        yield place, found
        if not stat.S_ISLNK(found.st_mode):
            current = place
            continue
        links += 1
        if links > _MOST_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
        target = os.readlink(place)
        waiting = target.split("/") + waiting
        current = "/" if target.startswith("/") else current


def _owned_by_another(place: str, found: os.stat_result) -> str:
    return "" if found.st_uid in (os.geteuid(), 0) else f"{place} belongs to {user_name(found.st_uid)}"


def _open_to_others(place: str, found: os.stat_result) -> str:
    """Says who may write to a file by its mode; the mode of a symbolic link means nothing."""
    if stat.S_ISLNK(found.st_mode):
        return ""
    if found.st_mode & stat.S_IWOTH:
        return f"{place} can be changed by everybody"
    if not found.st_mode & stat.S_IWGRP:
        return ""
    if _has_access_list(place):  # the group's bits are its mask then
        return f"{place} can be changed by those whom its access list names"
    return f"{place} can be changed by the group {_group_name(found.st_gid)}" if _has_others(found.st_gid, os.geteuid()) else ""


@functools.cache
def _has_others(gid: int, caller: int) -> bool:
    """Whether others than the caller and root are in a group: with umask 002, the user's own group may write."""
    try:
        members = {pwd.getpwnam(name).pw_uid for name in grp.getgrgid(gid).gr_mem}
    except KeyError:  # a group or member without an entry here, perhaps from another machine
        return True
    members |= {user.pw_uid for user in pwd.getpwall() if user.pw_gid == gid}
    return bool(members - {caller, 0})


def _group_name(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)


def _has_access_list(place: str) -> bool:
    try:
        return bool(os.getxattr(place, "system.posix_acl_access"))
    except (AttributeError, OSError):  # macOS, a file system without access lists, or a file without one
        return False
