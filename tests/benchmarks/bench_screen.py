"""What the screen costs, in a real pseudo-terminal: start, processor, traffic, and how soon a key shows its effect.

A real run trains beside it. Each figure stands next to its target, and the start next to that of an empty Textual application
in the same terminal, which is the floor of what a start can be.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil
import pyte

from tuimon.launcher.steering.stop import stop
from tuimon.log.batch import EventRecord
from tuimon.log.reader import read_run
from tuimon.log.records import Applied

COLUMNS, ROWS = 160, 45
STARTS = 7
EMPTY_APP = """
from textual.app import App
from textual.widgets import Static
class Empty(App):
    def compose(self): yield Static("READY")
Empty().run()
"""
FAST_RUN = """
import sys, time, torch, tuimon
model = torch.nn.Linear(4, 2); optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
with tuimon.watch(model, optimizer, run_dir=sys.argv[1]) as monitor:
    begin = time.perf_counter()
    while True:
        model(torch.ones(1, 4)).sum().backward(); optimizer.step(); optimizer.zero_grad(); monitor.log(loss=1.0)
        time.sleep(max(0.0, begin + monitor.step / 2000 - time.perf_counter()))
"""


class Terminal:
    """A command in a pseudo-terminal of 160 x 45, and the screen that it paints."""

    def __init__(self, *command: str) -> None:
        self.began = time.perf_counter()
        self._fd, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        known = os.environ | {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        self._child = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, env=known, start_new_session=True
        )
        os.close(terminal)
        self.process = psutil.Process(self._child.pid)
        self.bytes = 0
        self._screen = pyte.Screen(COLUMNS, ROWS)
        self._stream = pyte.ByteStream(self._screen)
        self._raw: list[bytes] = []
        self._shown = ""
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with suppress(OSError):
            while data := os.read(self._fd, 65536):
                self.bytes += len(data)
                with self._lock:
                    self._raw.append(data)

    def text(self) -> str:
        """What the screen shows. Costs nothing while nothing comes: the emulator must not take the processor from its guest."""
        with self._lock:
            raw, self._raw = b"".join(self._raw), []
        if raw:
            self._stream.feed(raw)
            self._shown = "\n".join(self._screen.display)
        return self._shown

    def wait_for(self, condition: Callable[[str], bool], timeout: float = 30.0) -> float:
        """Seconds from now until the screen fulfils a condition."""
        began = time.perf_counter()
        while not condition(self.text()):
            if time.perf_counter() - began > timeout:
                raise TimeoutError(self.text())
            time.sleep(0.002)
        return time.perf_counter() - began

    def press(self, keys: str) -> None:
        """Types."""
        os.write(self._fd, keys.encode())

    def cost(self, seconds: float) -> tuple[float, float]:
        """Share of a core and bytes a second to the terminal, over a stretch of time."""
        cpu, sent, began = sum(self.process.cpu_times()[:2]), self.bytes, time.perf_counter()
        select.select([], [], [], seconds)
        elapsed = time.perf_counter() - began
        return (sum(self.process.cpu_times()[:2]) - cpu) / elapsed, (self.bytes - sent) / elapsed

    def close(self) -> None:
        """Ends the command, and the reading before the descriptor: the next terminal gets its number."""
        self._child.kill()
        self._child.wait()
        self._reader.join()
        os.close(self._fd)


def start(shown: Callable[[str], object], *command: str) -> tuple[float, float]:
    """Median wall and processor seconds from the start of a command until its screen shows something."""
    walls, cpus = [], []
    for _ in range(STARTS):
        terminal = Terminal(*command)
        terminal.wait_for(lambda text: bool(shown(text)))
        walls.append(time.perf_counter() - terminal.began)
        cpus.append(sum(terminal.process.cpu_times()[:2]))
        terminal.close()
    return statistics.median(walls), statistics.median(cpus)


def starts(*attach: str) -> None:
    """The start of the screen beside that of an empty application."""
    parts = {
        "empty Textual app": start(lambda text: "READY" in text, sys.executable, "-c", EMPTY_APP),
        "first frame": start(lambda text: "tuimon" in text or "loss" in text, *attach),
        "content": start(lambda text: re.search(r"train +\d", text) and "running" in text, *attach),
    }
    target = {"first frame": "target 400 ms", "content": "target 200 ms of processor after the empty app's"}
    for name, (wall, cpu) in parts.items():
        print(f"{name + ':':<22}  {wall * 1e3:6.0f} ms      {cpu * 1e3:.0f} ms of processor; {target.get(name, 'the floor')}")


def applied(run: Path) -> list[EventRecord]:
    """What was applied in a run."""
    return [record for record in read_run(run).events if isinstance(record.event, Applied)]


def key_to_effect(terminal: Terminal, run: Path, times: int) -> tuple[float, float]:
    """Median seconds from the key that halves the rate to the log's word that it is applied, and to the screen's."""
    in_log, on_screen = [], []
    for i in range(times):
        known, halves = len(applied(run)), i % 2 == 0
        began = time.time()
        terminal.press("h" if halves else "u")
        on_screen.append(terminal.wait_for(lambda text, halves=halves: ("(½)" in text) == halves))
        in_log.append(applied(run)[known].wall_time - began)
        time.sleep(0.5)
    return statistics.median(in_log), statistics.median(on_screen)


def wait_for_values(run: Path, least: int = 1000, timeout: float = 60.0) -> None:
    """Waits until a run has logged so many steps."""
    began = time.perf_counter()
    while not run.exists() or read_run(run).step < least:
        if time.perf_counter() - began > timeout:
            raise TimeoutError(f"{run.name} does not train")
        time.sleep(0.2)


def main() -> None:
    """Measures and prints."""
    tuimon = [sys.executable, "-m", "tuimon"]
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed program has its bytecode beside it
    with tempfile.TemporaryDirectory() as name:
        with live_run(Path(name), tuimon) as run:
            watched(run, [*tuimon, "attach", "bench", "--runs-dir", name])
        fast_run(Path(name), tuimon)


@contextmanager
def live_run(runs: Path, tuimon: list[str]) -> Iterator[Path]:
    """A real training, which ends with what is measured beside it, however that ends."""
    where = ["--runs-dir", str(runs)]
    launch = [*tuimon, "run", "digits-mlp", "epochs=100000", *where, "--name", "bench", "--detach"]
    subprocess.run(launch, check=True, stdout=subprocess.DEVNULL)
    try:
        yield runs / "bench"
    finally:
        subprocess.run([*tuimon, "stop", "bench", *where, "--now"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def watched(run: Path, attach: list[str]) -> None:
    """The start, the cost and the answers of a live run's screen, and its cost once the run has ended."""
    wait_for_values(run)
    starts(*attach)
    terminal = Terminal(*attach)
    terminal.wait_for(lambda text: "running" in text)
    time.sleep(3)
    cpu, sent = terminal.cost(15)
    print(f"live, {COLUMNS}x{ROWS}:           {cpu:6.1%} of a core   target 10 %")
    print(f"traffic:                {sent / 1e3:6.1f} KB/s    target 30")
    log, screen = key_to_effect(terminal, run, 10)
    print(f"key to applied:         {log * 1e3:6.0f} ms      target one step + 50")
    print(f"key to visible:         {screen * 1e3:6.0f} ms      target 300")
    stop(run)
    terminal.wait_for(lambda text: "stopped" in text)
    time.sleep(3)
    cpu, _ = terminal.cost(15)
    print(f"nothing changes:        {cpu:6.1%} of a core   target 1 %")
    terminal.close()


def fast_run(runs: Path, tuimon: list[str]) -> None:
    """Key echo while a run logs 2,000 steps a second, and whether its log is whole."""
    training = subprocess.Popen([sys.executable, "-c", FAST_RUN, str(runs / "fast")])
    try:
        echo_s, cpu = echoed(runs, tuimon)
    finally:
        training.terminate()
        training.wait()
    store = read_run(runs / "fast")
    steps = store["loss/train"].steps
    missing = int(steps[-1]) - len(steps)
    rate = len(steps) / (store["loss/train"].walls[-1] - store["loss/train"].walls[0])
    print(f"key echo, {rate:.0f} steps/s: {echo_s * 1e3:6.0f} ms      target 100; {cpu:.1%} of a core")
    print(f"steps missing in its log: {missing} of {int(steps[-1])}, target 0")


def echoed(runs: Path, tuimon: list[str]) -> tuple[float, float]:
    """Median seconds until a key shows on the screen of the fast run, and the screen's share of a core."""
    wait_for_values(runs / "fast")
    terminal = Terminal(*tuimon, "attach", "fast", "--runs-dir", str(runs))
    terminal.wait_for(lambda text: "running" in text)
    time.sleep(3)
    echoes = []
    for _ in range(10):
        terminal.press("?")
        echoes.append(terminal.wait_for(lambda text: "Steer the run" in text))
        terminal.press("\x1b")
        terminal.wait_for(lambda text: "Steer the run" not in text)
        time.sleep(0.2)
    cpu, _ = terminal.cost(5)
    terminal.close()
    return statistics.median(echoes), cpu


if __name__ == "__main__":
    main()
