"""Identifies processes, and tells whether they are still alive.

A pid alone is not enough: it is reused, and means another process on another host or after a reboot. Host, boot id, pid and
start time together identify a process. For any process and thread.
"""

from __future__ import annotations

import functools
import os
import signal
import socket
from pathlib import Path
from typing import Annotated

import msgspec

_STATE, _START_TIME = 0, 19  # fields of /proc/<pid>/stat, counted from after the command's name


class Process(msgspec.Struct, frozen=True):
    """The identity of a process: more than its pid, which another process may get later."""

    host: str
    boot_id: str
    pid: Annotated[int, msgspec.Meta(ge=0, le=(1 << 31) - 1)]
    started: float  # clock ticks since boot, from /proc/<pid>/stat; psutil's create_time elsewhere


@functools.cache
def host_name() -> str:
    """This machine's name."""
    return socket.gethostname()


@functools.cache
def boot_id() -> str:
    """An id that changes with every boot of this machine; empty on systems other than Linux."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def identify(pid: int) -> Process | None:
    """The identity of a live process on this machine; None if there is none, or only a zombie."""
    started = _started(pid)
    return None if started is None else Process(host_name(), boot_id(), pid, started)


def this_process() -> Process:
    """The identity of the calling process."""
    return identify(os.getpid()) or Process(host_name(), boot_id(), os.getpid(), 0.0)


def is_alive(process: Process) -> bool | None:
    """Whether exactly this process is alive; None if it is on another host and cannot be seen from here."""
    if process.host != host_name():
        return None
    if process.boot_id != boot_id():
        return False
    return _started(process.pid) == process.started


def _started(pid: int) -> float | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return _started_elsewhere(pid) if not os.path.isdir("/proc/self") else None
    fields = stat[stat.rindex(b")") + 2 :].split()
    return None if fields[_STATE] in (b"Z", b"X") else float(fields[_START_TIME])


def _started_elsewhere(pid: int) -> float | None:
    """Asks psutil, on systems without /proc (macOS)."""
    import psutil

    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def signal_name(number: int) -> str:
    """A signal's name, such as SIGTERM; `signal 63` for one without."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
