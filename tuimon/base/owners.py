"""Whose a process or a file is. Standard library only; pure look-ups, any thread."""

from __future__ import annotations

import os
import pwd


def user_name(uid: int) -> str:
    """The user's name, as people type it; `uid 1234` where the system has no name for it."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def process_owner(pid: int) -> int | None:
    """The effective uid of a living process; None when there is none."""
    try:
        return os.stat(f"/proc/{pid}").st_uid
    except OSError:
        return _process_owner_elsewhere(pid) if not os.path.isdir("/proc/self") else None


def _process_owner_elsewhere(pid: int) -> int | None:
    """Where there is no /proc (macOS): psutil knows."""
    import psutil

    try:
        return int(psutil.Process(pid).uids().effective)
    except psutil.Error:
        return None
