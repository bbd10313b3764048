"""A viewer whose terminal goes away: real pseudo-terminals, closed for real."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tuimon.viewer.terminal import HUNG_UP, is_gone, leave_when_gone

CHILD = """
import signal, sys
{before}
from textual.app import App
from textual.widgets import Static
from tuimon.viewer import terminal

terminal._GRACE_S = 60.0  # for the app to end by itself, however slow the machine

class Small(App):
    def compose(self):
        yield Static("ready")
    def on_mount(self):
        terminal.leave_when_gone(0, terminal.leave_at_once)
        terminal.leave_on_signals(0, self.leave)
        self.set_timer(0.05, lambda: self.query_one(Static).update("under way"))
    def leave(self):
        self.exit(return_code=3)

app = Small()
app.run()
sys.exit(app.return_code)
"""


class Terminal:
    """A child process on a pseudo-terminal whose other end the test holds."""

    def __init__(self, before: str = "") -> None:
        self.master, slave = pty.openpty()
        self.child = subprocess.Popen(
            [sys.executable, "-c", CHILD.format(before=before)], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
        )
        os.close(slave)
        self.seen = b""

    def read_until(self, text: bytes) -> None:
        while text not in self.seen:
            self.seen += os.read(self.master, 65536)

    def hang_up(self) -> None:
        os.close(self.master)
        self.master = -1

    def close(self) -> None:
        if self.master >= 0:
            os.close(self.master)
        self.child.kill()
        self.child.wait()


@pytest.fixture
def terminals() -> Iterator[list[Terminal]]:
    opened: list[Terminal] = []
    yield opened
    for terminal in opened:
        terminal.close()


@pytest.mark.parametrize("before", ["", "signal.signal(signal.SIGHUP, signal.SIG_IGN)"], ids=["plain", "nohup"])
def test_a_viewer_ends_at_once_when_its_terminal_is_closed(terminals: list[Terminal], before: str) -> None:
    """Also with SIGHUP ignored, where Textual alone would spin forever."""
    terminals.append(Terminal(before))
    terminals[0].read_until(b"\x1b[?1049h")
    terminals[0].hang_up()
    assert terminals[0].child.wait(timeout=60) in (HUNG_UP, -1)


def test_a_terminating_signal_restores_a_living_terminal(terminals: list[Terminal]) -> None:
    """SIGTERM leaves the alternate screen before the process ends."""
    terminals.append(Terminal())
    terminals[0].read_until(b"under way")
    terminals[0].child.terminate()
    terminals[0].read_until(b"\x1b[?1049l")
    assert terminals[0].child.wait(timeout=60) == 3


def test_the_watch_tells_a_living_terminal_from_a_closed_one() -> None:
    """Typing is no reason to leave; closing the terminal is."""
    master, slave = pty.openpty()
    gone = threading.Event()
    leave_when_gone(slave, gone.set)
    try:
        os.write(master, b"typed\n")
        assert not gone.wait(0.3)
        assert not is_gone(slave)
    finally:
        os.close(master)
    assert gone.wait(60)
    assert is_gone(slave)
    with suppress(OSError):
        os.close(slave)


def test_a_pipe_is_no_terminal_and_never_gone() -> None:
    """Only terminals are watched: anything else is left to its reader."""
    reading, writing = os.pipe()
    try:
        assert not is_gone(reading)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_viewer_that_fails_says_so_to_the_shell(tmp_path: Path):
    """A traceback alone is no exit code."""
    failing = "\n".join(
        (
            "from pathlib import Path",
            "from tuimon.viewer import app, start",
            "app.collect_again = lambda: 1 / 0",  # a timer's callback, which no net holds
            f"start.show(Path({str(tmp_path)!r}))",
        )
    )
    master, slave = pty.openpty()
    child = subprocess.Popen([sys.executable, "-c", failing], stdin=slave, stdout=slave, stderr=slave, start_new_session=True)
    os.close(slave)
    threading.Thread(target=_drain, args=(master,), daemon=True).start()
    assert child.wait(timeout=60) == 1


def _drain(master: int) -> None:
    with suppress(OSError):
        while os.read(master, 65536):
            pass
