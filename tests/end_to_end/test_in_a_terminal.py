"""End to end in a real terminal: launch, watch, steer, leave, come back, stop."""

from __future__ import annotations

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs, processes, runs_in
from tuimon.launcher.runs.glance import glance, lifecycle
from tuimon.launcher.start.start import start
from tuimon.log.store import Store
from tuimon.spec.loading import load_spec

pytestmark = [
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed: the screen is driven in a real terminal"),
    pytest.mark.xdist_group("terminal"),
]
CHECKOUT = Path(__file__).parents[2]
SLOW_S = 60.0  # enough for a busy machine


class Tmux:
    """A separate tmux server with one window."""

    def __init__(self, folder: str, cwd: Path) -> None:
        self._folder = folder
        self._socket = ""
        self._numbers = itertools.count()
        self._cwd = cwd

    def start(self, command: str, width: int = 120, height: int = 36) -> None:
        """Runs a shell command in the window."""
        self._socket = f"{self._folder}/{next(self._numbers)}"  # a killed server may not be gone yet
        shell = f"cd {shlex.quote(str(self._cwd))}; {command}; echo left with $?; exec sleep 600"
        self._run("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height), "sh", "-c", shell)

    def press(self, *keys: str) -> None:
        """Types keys, by tmux's names for them."""
        self._run("send-keys", *keys)

    def send(self, data: bytes) -> None:
        """Types raw bytes."""
        self._run("send-keys", "-H", *(f"{byte:02x}" for byte in data))

    def resize(self, width: int, height: int) -> None:
        """Resizes the window."""
        self._run("resize-window", "-x", str(width), "-y", str(height))

    def text(self) -> str:
        """The text in the window."""
        return self._run("capture-pane", "-p")

    def flags(self, *names: str) -> str:
        """The values of tmux formats such as `alternate_on`."""
        return self._run("display-message", "-p", " ".join(f"#{{{name}}}" for name in names)).strip()

    def wait(self, text: str, timeout: float = SLOW_S) -> None:
        """Waits until the window shows the text."""
        try:
            wait_until(lambda: text in self.text(), timeout)
        except AssertionError:
            raise AssertionError(f"{text!r} did not come; the window shows:\n{self.text()}") from None

    def kill(self) -> None:
        """Kills the server, and the terminal with it."""
        subprocess.run(["tmux", "-S", self._socket, "kill-server"], capture_output=True, check=False)

    def _run(self, *arguments: str) -> str:
        done = subprocess.run(["tmux", "-S", self._socket, *arguments], capture_output=True, text=True, timeout=60, check=True)
        return done.stdout


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """A folder of runs with its own sockets; all its processes end with the test."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("TERM", "screen-256color")
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    yield from runs_in(tmp_path / "runs")


@pytest.fixture
def tmux(runs: Runs) -> Iterator[Tmux]:
    """A terminal in the parent of the folder of runs."""
    with tempfile.TemporaryDirectory(prefix="tuimon-") as folder:
        terminal = Tmux(folder, runs.folder.parent)
        yield terminal
        terminal.kill()


def tuimon(*arguments: str) -> str:
    """The shell command that runs this checkout's tuimon."""
    return shlex.join([sys.executable, "-m", "tuimon", *arguments])


def only(runs: Runs) -> Path:
    """The only run in the folder."""
    (run,) = runs.folder.iterdir()
    return run


def store_of(run: Path) -> Store:
    """The run's log so far."""
    return glance(run)


def lever(run: Path, name: str) -> object:
    """A lever's value, from the run's own log."""
    levers = store_of(run).levers
    return levers[name].value if name in levers else None


def state(run: Path) -> str:
    """The run's state."""
    return lifecycle(run).status().state


def long_run(runs: Runs) -> Path:
    """A run that trains for longer than any test."""
    run = start(load_spec("digits-softmax", ["epochs=100000"]), runs_dir=runs.folder, name="long", device="cpu")
    wait_until(lambda: store_of(run).step > 0, SLOW_S, "the run trains")
    return run


def test_a_run_is_launched_steered_left_found_again_and_stopped(runs: Runs, tmux: Tmux) -> None:
    """Using keys only; each change is in the run's own log, and the run continues while nobody watches."""
    tmux.start(tuimon("--runs-dir", "runs"))
    tmux.wait("No runs in")
    tmux.press("l")
    tmux.wait("$ tuimon run digits-mlp")
    tmux.press("C-s")
    tmux.wait("● running")
    run = only(runs)

    tmux.press("h")
    tmux.wait("applied at step")
    wait_until(lambda: lever(run, "lr_scale") == 0.5, SLOW_S)
    tmux.wait("(½)")
    tmux.press("r")
    wait_until(lambda: lever(run, "regularization") is False, SLOW_S)
    tmux.wait("reg off")

    tmux.press("q")
    tmux.wait(f"{run.name} is still training")
    tmux.wait("left with 0")
    before = store_of(run).step
    wait_until(lambda: store_of(run).step > before, SLOW_S, "training goes on")

    tmux.kill()
    tmux.start(tuimon("attach", "latest", "--runs-dir", "runs"), 160, 45)
    tmux.wait("(½)")
    tmux.wait("reg off")
    tmux.press("u")
    wait_until(lambda: lever(run, "regularization") is True, SLOW_S)
    tmux.press("s")
    tmux.wait("Stop this run?")
    tmux.press("s")
    tmux.wait("■ stopped")
    assert state(run) == "stopped"
    assert (run / "checkpoints" / "last.pt").is_file()


def test_the_screen_of_a_run_that_failed_is_left_with_its_exit_code(runs: Runs, tmux: Tmux) -> None:
    """The header shows how it ended, and so does a line in the shell."""
    (runs.folder.parent / "train.py").write_text(
        "import sys, torch\nnet = torch.nn.Linear(2, 1)\nopt = torch.optim.SGD(net.parameters(), lr=0.1)\n"
        "for _ in range(5): net(torch.ones(1, 2)).sum().backward(); opt.step()\nsys.exit(3)\n"
    )
    tmux.start(tuimon("run", "--runs-dir", "runs", "train.py"))
    tmux.wait("failed (exit code 3)")
    tmux.press("q")
    tmux.wait("train-01: failed, exit code 3")
    tmux.wait("left with 3")


@pytest.mark.parametrize("ignored", [False, True], ids=["plain", "nohup"])
def test_a_terminal_that_dies_takes_the_viewer_and_not_the_run(runs: Runs, tmux: Tmux, ignored: bool) -> None:
    """Also with SIGHUP ignored: the viewer must not stay behind, spinning."""
    run = long_run(runs)
    viewer = runs.folder / "viewer"
    ignore = "trap '' HUP; " if ignored else ""
    tmux.start(f"{ignore}sh -c 'echo $$ > {shlex.quote(str(viewer))}; exec {tuimon('attach', 'long', '--runs-dir', 'runs')}'")
    tmux.wait("● running")
    pid = int(viewer.read_text())
    viewer.unlink()
    tmux.kill()
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"), SLOW_S, "the viewer ends")
    step = store_of(run).step
    wait_until(lambda: store_of(run).step > step, SLOW_S, "training goes on")
    assert len(processes(run)) >= 2


def test_the_screen_survives_any_size(runs: Runs, tmux: Tmux) -> None:
    """Down to 20×5, up to 250×70 and back, while the run trains."""
    long_run(runs)
    tmux.start(tuimon("attach", "long", "--runs-dir", "runs"))
    tmux.wait("● running")
    for width, height in [(20, 5), (250, 70), (80, 24), (20, 5), (120, 36)]:
        tmux.resize(width, height)
        wait_until(lambda height=height: len(tmux.text().splitlines()) == height, SLOW_S)
    tmux.wait("layers")
    tmux.wait("● running")
    assert "Traceback" not in tmux.text()


def test_the_terminal_itself_says_how_large_it_is(runs: Runs, tmux: Tmux) -> None:
    """Not COLUMNS and LINES, which a shell in another terminal has exported."""
    shown = []
    for exported in ("", "COLUMNS=150 LINES=50 "):
        tmux.start(exported + tuimon("--runs-dir", "runs"), 80, 24)
        tmux.wait("No runs in")
        tmux.press("?")
        tmux.wait("esc to close")
        tmux.wait("Search all commands, themes and more")  # the last visible row: the box is drawn before its text
        shown.append(re.sub("[▁-█]", " ", tmux.text()))  # the scrollbar is drawn last
        tmux.kill()
    assert shown[0] == shown[1]


def test_a_plain_terminal_shows_plain_characters(runs: Runs, tmux: Tmux) -> None:
    """`--ascii` without colours: states in words, curves and borders in ASCII."""
    long_run(runs)
    tmux.start("NO_COLOR=1 TERM=vt100 " + tuimon("attach", "long", "--runs-dir", "runs", "--ascii"))
    tmux.wait("* running")
    tmux.wait("layers")
    assert tmux.text().isascii()


def test_no_bytes_on_the_keyboard_end_the_screen(runs: Runs, tmux: Tmux) -> None:
    """Mouse reports with byte coordinates, 8-bit Alt, Latin-1, sequences that no parser knows: the next key counts."""
    tmux.start(tuimon("--runs-dir", "runs"))
    tmux.wait("No runs in")
    for data in (b"\x1b[M \xc00", b"\xe1a", b"\xff", b"\x1b[MC\xc30\x1b[A", b"\x1b[9999999;1u", bytes(range(0x80, 0x100))):
        tmux.send(data)
        tmux.press("?")
        tmux.wait("Keys in the list of runs")  # no notice in the corner can hide it
        tmux.press("Escape")
        wait_until(lambda: "Keys in the list of runs" not in tmux.text(), SLOW_S)
    tmux.press("q")
    tmux.wait("left with 0")


def test_a_screen_that_fails_says_so_in_a_line_and_leaves_the_terminal_as_it_was(runs: Runs, tmux: Tmux) -> None:
    """An error that no net catches: exit code 1, no traceback, echo and the cursor are back, no mouse reports."""
    fails = (
        "import sys; from tuimon.viewer import app; from tuimon.cli.main import main; "
        "app.collect_again = lambda: 1 / 0; sys.exit(main(['--runs-dir', 'runs']))"
    )
    tmux.start(f"{shlex.join([sys.executable, '-c', fails])}; code=$?; stty -a | grep -o ' echo '; (exit $code)")
    tmux.wait("left with 1")
    lines = tmux.text().splitlines()
    assert [line for line in lines if line.strip()] == [lines[0], " echo", "left with 1"]
    assert lines[0].startswith("tuimon: The screen failed: ZeroDivisionError: division by zero")
    assert tmux.flags("mouse_any_flag", "alternate_on", "cursor_flag") == "0 0 1"
