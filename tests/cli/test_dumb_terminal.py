"""A terminal that cannot move its cursor is printed to."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tuimon.base.process import this_process
from tuimon.log.records import Ended, RunStarted
from tuimon.log.writer import LogWriter


def on_dumb_terminal(*arguments: str) -> tuple[int, str]:
    """Runs the real command on a pseudo-terminal with TERM=dumb; its exit code, and all that it prints."""
    ours, theirs = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | {"TERM": "dumb"}
    command = [sys.executable, "-m", "tuimon", *arguments]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    told = b""
    try:
        while part := os.read(ours, 65536):
            told += part
    except OSError:  # EIO: nobody has the terminal open any more
        pass
    finally:
        os.close(ours)
    return process.wait(60), told.decode().replace("\r\n", "\n")


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    writer = LogWriter(tmp_path / "mine", "run")
    writer.event(RunStarted("mine", this_process(), total_steps=20))
    for step in range(1, 21):
        writer.scalars(step, {"loss/train": 1.0 / step})
    writer.event(Ended("finished", step=20), 20)
    writer.close()
    return tmp_path


@pytest.mark.parametrize("words", [("attach", "mine"), ("compare", "mine"), ()])
def test_it_prints_instead_of_drawing(finished: Path, words: tuple[str, ...]) -> None:
    """A run as it goes, a comparison's table, the list of runs; not one escape sequence, and no carriage return."""
    code, told = on_dumb_terminal(*words, "--runs-dir", str(finished))
    assert code == 0, told
    assert "mine" in told and "20" in told
    assert "\x1b" not in told and "\r" not in told


def test_the_launch_screen_says_why_not(finished: Path) -> None:
    """In one line."""
    code, told = on_dumb_terminal("run", "--runs-dir", str(finished))
    assert code == 1 and told.startswith("tuimon: Name a preset") and told.count("\n") <= 2
