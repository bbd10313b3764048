"""`tuimon plot`: whose curves, in terminals, pipes and CI logs, of tuimon's logs and of others'."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from conftest import read_all
from event_folders import FOLDERS
from tuimon.cli.main import main
from tuimon.log.writer import LogWriter

COMMAND = [sys.executable, "-m", "tuimon", "plot"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs with losses, rates, and gradient norms."""
    for name, scale in (("one", 1.0), ("two", 2.0)):
        log = LogWriter(tmp_path / name, "run")
        for step in range(1, 101):
            values = {"loss/train": scale / step, "lr": 0.1, "grad_norm/fc1": 1.0, "grad_norm/fc2": 2.0}
            log.scalars(step, values | ({"loss/val": scale / step + 0.1} if step % 10 == 0 else {}))
        log.close()
    return tmp_path


def plotted(folder: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command without a terminal."""
    environment = {**os.environ, **more}
    command = [*COMMAND, *arguments, "--runs-dir", str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, stdin=subprocess.DEVNULL)


def test_without_a_tag_the_losses_are_plotted(folder: Path) -> None:
    """Training and validation in one chart; into a pipe without colours, 100 columns wide."""
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES")}
    done = subprocess.run(
        [*COMMAND, "one", "--runs-dir", str(folder)], capture_output=True, text=True, timeout=60, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "") and "\x1b" not in done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == "loss by step" and [line.split()[1] for line in lines[1:3]] == ["train", "val"]
    assert max(map(len, lines)) == 100 and len(lines) <= 25


def test_runs_are_overlaid_and_tags_may_come_after_options(folder: Path) -> None:
    """One chart for each metric."""
    done = plotted(folder, "one", "two", "--size", "60x12", "loss/*", "lr")
    titles = [line for line in done.stdout.splitlines() if " by step" in line]
    assert done.returncode == 0 and titles == ["loss by step", "lr by step"]
    assert "one train" in done.stdout and "two val" in done.stdout


def test_layers_of_one_run_share_a_chart(folder: Path) -> None:
    """Named by their layer."""
    done = plotted(folder, "one", "grad_norm", "--log")
    assert done.stdout.startswith("grad_norm by step, logarithmic\n")
    assert [line.split()[1] for line in done.stdout.splitlines()[1:3]] == ["fc1", "fc2"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("one", "los/val"), "No tag 'los/val'; did you mean loss/val?, and no run."),
        (("oen",), "No run called 'oen'"),
        (("one", "--x", "epoch"), "does not say how long its epochs are"),
    ],
)
def test_what_is_unknown_is_an_error_with_the_nearest(folder: Path, words: tuple[str, ...], said: str) -> None:
    """Exit code 1, no traceback, nothing on stdout."""
    done = plotted(folder, *words)
    assert (done.returncode, done.stdout) == (1, "") and said in done.stderr and "Traceback" not in done.stderr


@pytest.mark.parametrize("words", [("--size", "5x5"), ("--size", "wide"), ("--smooth", "1"), ("--x", "wall")])
def test_wrong_usage_is_refused(folder: Path, words: tuple[str, ...]) -> None:
    """With 2."""
    assert plotted(folder, "one", *words).returncode == 2


def test_in_an_ascii_locale_everything_is_ascii(folder: Path) -> None:
    """As on an old CI machine."""
    done = plotted(folder, "one", "two", PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C", PYTHONCOERCECLOCALE="0")
    assert done.returncode == 0 and done.stdout.isascii() and "**" in done.stdout and "?" not in done.stdout


@pytest.mark.parametrize(
    ("more", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False), ({"TERM": "linux"}, True)]
)
def test_a_terminal_gets_colours_and_charts_of_its_size(folder: Path, more: dict[str, str], coloured: bool) -> None:
    """No row wraps at 40 columns, and the chart leaves a line for the prompt."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 14, 40, 0, 0))
    environment = {key: value for key, value in os.environ.items() if key not in ("COLUMNS", "LINES", "NO_COLOR")}
    environment |= {"TERM": "xterm-256color"} | more
    child = subprocess.Popen(
        [*COMMAND, "one", "--runs-dir", str(folder)], stdin=slave, stdout=slave, stderr=slave, env=environment
    )
    os.close(slave)
    text = read_all(master)
    assert child.wait(60) == 0 and ("\x1b[" in text) == coloured
    if not coloured:
        lines = text.splitlines()
        assert max(map(len, lines)) <= 40 and len(lines) <= 13


@pytest.mark.parametrize("fill", FOLDERS, ids=lambda fill: fill.__name__)
def test_logs_of_others_are_plotted(tmp_path: Path, fill: object, capsys: pytest.CaptureFixture[str]) -> None:
    """Restarts, odd tags, values and clocks: a chart, or a reason."""
    fill(tmp_path / "r")  # type: ignore[operator]
    code = main(["plot", "r", "--runs-dir", str(tmp_path), "--size", "80x20"])
    out, err = capsys.readouterr()
    assert (code, bool(out)) in ((0, True), (1, False)) and "failed" not in err and "\x1b" not in out
    if code == 0:
        assert main(["plot", "r", "*", "--x", "time", "--smooth", "--runs-dir", str(tmp_path), "--size", "80x20"]) == 0
