"""Fixtures and helpers for all tests."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reaper import mark_and_reap


def pytest_configure() -> None:
    """Lets Ctrl-C and a hangup reach what tests start: a shell ignores the one in the background, `nohup` the other.

    And sees to it that nothing of that outlives the tests. All of it computes on one thread: several wait for one another in
    loops, and busily, when they get no core.
    """
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
    mark_and_reap()


def wait_until(condition: Callable[[], object], timeout: float = 60.0, what: str = "") -> None:
    """Waits until `condition()` is true; fails with `what` after `timeout` seconds. The default is long, for busy machines."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {timeout} s: {what or condition}")
        time.sleep(0.01)


def read_all(master: int) -> str:
    """Everything sent to a terminal until its other end is closed."""
    found = b""
    while True:
        try:
            piece = os.read(master, 65536)
        except OSError as error:
            assert error.errno == errno.EIO
            piece = b""
        if not piece:
            os.close(master)
            return found.decode().replace("\r\n", "\n")
        found += piece


@pytest.fixture(autouse=True)
def own_settings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No test reads or writes the settings of the user who runs it. Returns the folder in which they are instead."""
    home = tmp_path_factory.mktemp("settings")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))
    return home


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Mounts a file system of a given size in KiB."""
    mounted: list[Path] = []

    def mount(kib: int) -> Path:
        disk = tmp_path / f"disk{len(mounted)}"
        disk.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tuimon-test", str(disk)]
        if os.getuid() or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("a small disk needs root and the right to mount: run the tests as root, in a privileged container")
        mounted.append(disk)
        return disk

    yield mount
    for disk in mounted:
        subprocess.run(["umount", "-l", str(disk)], check=True)
