"""What every test may lean on."""

from __future__ import annotations

import errno
import os
import signal
import time
from collections.abc import Callable


def pytest_configure() -> None:
    """Lets Ctrl-C reach what tests start, also where they were started in the background, which a shell has ignore it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(condition: Callable[[], object], timeout: float = 60.0, what: str = "") -> None:
    """Waits until `condition()` is true; fails with `what` after `timeout` seconds: many, for a busy machine."""
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {timeout} s: {what or condition}")
        time.sleep(0.01)


def read_all(master: int) -> str:
    """All that a terminal is sent until its other end is closed."""
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
