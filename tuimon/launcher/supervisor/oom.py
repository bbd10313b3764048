"""Detects whether the kernel killed a process because memory ran out.

There are two signs: the counter of kills in the process's control group has increased since it started, or the kernel's log,
if it can be read, names the process. Standard library only; used by the supervisor.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_CGROUP_ROOT = Path("/sys/fs/cgroup")
_KERNEL_LOG = "/dev/kmsg"
_MAX_KERNEL_RECORDS = 100_000
_CLOCK_SLACK_S = 2.0  # between the kernel's log and CLOCK_MONOTONIC


class OutOfMemoryWatch:
    """Records the counter of kills before a process starts, to see afterwards whether it increased.

    Args:
        count: reads the counter of kills; None if there is none.
    """

    def __init__(self, count: Callable[[], int | None] | None = None) -> None:
        self._count = count or kills
        self._before = self._count()
        self._since = time.monotonic()

    def killed(self, pid: int) -> bool:
        """Whether process `pid`, which SIGKILL has just ended, was killed because memory ran out."""
        return self._counter_rose() or _told_by_kernel(pid, self._since - _CLOCK_SLACK_S)

    def _counter_rose(self) -> bool:
        now = self._count()
        return self._before is not None and now is not None and now > self._before


def kills(membership: str | None = None, root: Path = _CGROUP_ROOT) -> int | None:
    """Returns how many processes of this control group the kernel has killed because memory ran out; None if unknown.

    Args:
        membership: the text of /proc/self/cgroup.
        root: where the control groups are mounted.
    """
    text = _read("/proc/self/cgroup") if membership is None else membership
    for file in _counter_files(text, root):
        found = re.search(r"^oom_kill (\d+)$", _read(file), re.MULTILINE)
        if found:
            return int(found[1])
    return None


def _counter_files(membership: str, root: Path) -> Iterator[Path]:
    """Yields the counter's file for cgroup version 2, then 1. In a container, only the root of the mount may be visible."""
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield root / path.lstrip("/") / "memory.events"
            yield root / "memory.events"
        elif "memory" in controllers.split(","):
            yield root / "memory" / path.lstrip("/") / "memory.oom_control"
            yield root / "memory" / "memory.oom_control"


def _told_by_kernel(pid: int, since: float) -> bool:
    wanted = re.compile(rb"Killed process %d[ ,(]" % pid)
    return any(wanted.search(record) for record in _kernel_records(since))


def _kernel_records(since: float) -> Iterator[bytes]:
    """Yields the records of the kernel's log since `since` (monotonic seconds); none if the log cannot be read."""
    try:
        log = os.open(_KERNEL_LOG, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return
    try:
        for _ in range(_MAX_KERNEL_RECORDS):
            record = os.read(log, 8192)
            if _microseconds(record) >= since * 1e6:
                yield record
    except OSError:  # EAGAIN: no more records
        return
    finally:
        os.close(log)


def _microseconds(record: bytes) -> float:
    found = re.match(rb"\d+,\d+,(\d+),", record)
    return float(found[1]) if found else 0.0


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
