"""Ends what tests have started, however the tests end: also when a time limit or Ctrl-C kills pytest itself.

A process of its own waits for the end of a pipe, which the kernel closes when pytest is gone. It then kills all processes that
carry a mark in their environment. Whatever a test starts inherits it, trainings and supervisors in sessions of their own, too.

    python reaper.py MARK  (reads its stdin to the end)
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

VARIABLE = "TUIMON_TESTS"


def mark_and_reap() -> None:
    """Marks this process's children from now on, and starts their reaper; Linux only."""
    if not os.path.isdir("/proc/self"):
        return
    mark = os.environ[VARIABLE] = uuid.uuid4().hex
    environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
    command = [sys.executable, __file__, mark]
    reads, _ = os.pipe()  # the other end stays open as long as we live
    reaper = subprocess.Popen(command, stdin=reads, env=environment, start_new_session=True)
    reaper.returncode = 0  # nobody waits for it: it outlives us
    os.close(reads)


def reap(mark: str) -> None:
    """Kills all processes that carry the mark, until there are none."""
    entry = f"{VARIABLE}={mark}".encode()
    while found := [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if _carries(pid, entry)]:
        for pid in found:
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)


def _carries(pid: int, entry: bytes) -> bool:
    try:
        return entry in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")  # empty for a zombie
    except OSError:
        return False


if __name__ == "__main__":
    sys.stdin.read()
    reap(sys.argv[1])
