"""Whole training scripts, as processes: how they end, and what is in their logs then."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import tuimon
from conftest import wait_until
from tuimon.log.records import Ended
from tuimon.monitor.monitor import HOLD_S

SETUP = """
import sys, torch, tuimon
torch.set_num_threads(1)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
monitor = tuimon.watch(model, optimizer, name="run", meters=False)

def step():
    optimizer.zero_grad()
    loss = model(torch.ones(2, 4)).square().mean()
    loss.backward()
    optimizer.step()
    monitor.log(loss=loss)

"""


def begin(code: str, environment: dict[str, str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", SETUP + code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def run(code: str, environment: dict[str, str], code_expected: int = 0) -> tuple[Any, str]:
    """Runs a script to its end; returns its log and what it printed."""
    with begin(code, environment) as process:
        out, err = process.communicate(timeout=60)
    assert process.returncode == code_expected, err
    return tuimon.read_run(Path(environment["TUIMON_RUNS"]) / "run"), out + err


def ended(store: Any) -> list[Ended]:
    return [record.event for record in store.events if isinstance(record.event, Ended)]


def sockets(environment: dict[str, str]) -> list[Path]:
    return list((Path(environment["XDG_RUNTIME_DIR"]) / "tuimon").glob("*.sock"))


def test_a_script_that_never_closes_is_finished_at_exit(environment: dict[str, str]) -> None:
    """The interpreter's exit closes the run, with all records, and removes the socket's file."""
    store, _ = run("for _ in range(50): step()", environment)
    assert store["loss/train"].steps.tolist() == list(range(1, 51))
    assert ended(store) == [Ended(how="finished", step=50)]
    assert sockets(environment) == []


@pytest.mark.parametrize(
    ("ending", "code", "how", "reason"),
    [
        ("raise ValueError('bad data')", 1, "failed", "ValueError: bad data"),
        ("raise KeyboardInterrupt", -signal.SIGINT, "stopped", "interrupted"),
        ("sys.exit(0)", 0, "finished", ""),
    ],
)
def test_an_uncaught_exception_is_how_the_run_ended(
    environment: dict[str, str], ending: str, code: int, how: str, reason: str
) -> None:
    """Exit handlers know whether the script failed, was interrupted, or just left."""
    store, _ = run(f"step()\n{ending}", environment, code)
    assert (ended(store)[0].how, ended(store)[0].reason) == (how, reason)


IN_A_CHILD = """
import multiprocessing
def train():
    global monitor
    monitor = tuimon.watch(model, optimizer, name="child", meters=False)
    for _ in range(5): step()
    {ending}
child = multiprocessing.get_context("fork").Process(target=train)
child.start()
child.join()
"""


@pytest.mark.parametrize(
    ("ending", "how", "reason"),
    [("pass", "finished", ""), ("raise ValueError('bad data')", "failed", "ValueError: bad data")],
)
def test_a_process_of_multiprocessing_ends_its_run(environment: dict[str, str], ending: str, how: str, reason: str) -> None:
    """A forked one leaves without exit handlers, and its exceptions are caught: its end is told, and no step is lost."""
    run(IN_A_CHILD.format(ending=ending), environment)
    store = tuimon.read_run(Path(environment["TUIMON_RUNS"]) / "child")
    assert ended(store) == [Ended(how=how, reason=reason, step=5)]  # type: ignore[arg-type]
    assert store["loss/train"].steps.tolist() == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("pause_s", [0.0, 2 * HOLD_S])
def test_a_killed_script_has_lost_no_more_than_the_last_moment(environment: dict[str, str], pause_s: float) -> None:
    """`kill -9` right after a line that says which step was logged, and when.

    All that was logged a moment before is there, without a gap, and with slow steps the last one too.
    """
    loop = f"import time\nwhile True:\n    step()\n    print(monitor.step, time.time(), flush=True)\n    time.sleep({pause_s})"
    with begin(loop, environment) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().split() for _ in range(20 if pause_s else 3000)]
        os.kill(process.pid, signal.SIGKILL)
        said += [line.split() for line in process.stdout.read().splitlines()]
    steps = tuimon.read_run(Path(environment["TUIMON_RUNS"]) / "run")["loss/train"].steps.tolist()
    assert steps == list(range(1, len(steps) + 1))
    held_s = 0.0 if pause_s else 4 * HOLD_S  # the flusher may come late on a busy machine
    assert len(steps) >= max(int(step) for step, when in said if float(said[-1][1]) - float(when) >= held_s)


def test_a_killed_runs_socket_is_removed_by_the_next_run(environment: dict[str, str]) -> None:
    """The file that `kill -9` leaves is gone once another run starts."""
    with begin("step()\nprint('here', flush=True)\nimport time\ntime.sleep(60)", environment) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        left = sockets(environment)
        os.kill(process.pid, signal.SIGKILL)
    assert len(left) == 1 and left[0].exists()
    with begin("print('here', flush=True)\nimport time\ntime.sleep(60)", environment) as process:
        assert process.stdout is not None and process.stdout.readline() == "here\n"
        assert not left[0].exists() and len(sockets(environment)) == 1
        process.terminate()


def test_ctrl_c_ends_a_paused_script(environment: dict[str, str]) -> None:
    """The wait of a pause can be interrupted."""
    code = """
from tuimon.log.records import Command
monitor.send(Command("pause"))
print('pausing', flush=True)
step()
step()
"""
    with begin(code, environment) as process:
        assert process.stdout is not None and process.stdout.readline() == "pausing\n"
        folder = Path(environment["TUIMON_RUNS"]) / "run"
        wait_until(lambda: tuimon.read_run(folder).levers["paused"].value is True)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == -signal.SIGINT
    assert ended(tuimon.read_run(folder))[0].how == "stopped"


def test_forked_workers_leave_log_and_socket_to_the_training_process(environment: dict[str, str]) -> None:
    """DataLoader workers that even log and step write nothing, hold no socket, and end without ending the run."""
    code = """
import os

class Data(torch.utils.data.Dataset):
    def __len__(self):
        return 8
    def __getitem__(self, i):
        monitor.log(loss=99.0)
        monitor.notice("from a worker")
        monitor.close("failed")

station = monitor._companions._station
mine = [station._listener.fileno(), station._wake_sender.fileno(), station._wake_receiver.fileno()]
inodes = [os.fstat(fd).st_ino for fd in mine]

class Counting(Data):
    def __getitem__(self, i):
        super().__getitem__(i)
        held = 0
        for fd in os.listdir("/proc/self/fd"):
            try:
                held += os.fstat(int(fd)).st_ino in inodes
            except OSError:
                pass
        return torch.ones(4) * held

loader = torch.utils.data.DataLoader(Counting(), batch_size=2, num_workers=2, multiprocessing_context="fork")
for batch in loader:
    print(int(batch.sum()))
    step()
print(int(station.path.exists()))
child = os.fork()
if child == 0:
    step()
    sys.exit(0)
os.waitpid(child, 0)
step()
"""
    store, out = run(code, environment)
    assert [int(line) for line in out.split()[:5]] == [0, 0, 0, 0, 1]
    assert store["loss/train"].steps.tolist() == [1, 2, 3, 4, 5]
    assert ended(store) == [Ended(how="finished", step=5)]
    assert sockets(environment) == []


def test_the_meters_run_beside_a_script(environment: dict[str, str]) -> None:
    """Host and process meters are in the log after a second or two, and the reason why there is no GPU, if there is none."""
    code = """
import time
other = tuimon.watch(model, torch.optim.SGD(model.parameters(), lr=0.1), name="metered")
end = time.monotonic() + 30
while time.monotonic() < end:
    time.sleep(0.05)
    if "system/host/cpu_percent" in tuimon.read_run(other.run_dir).series:
        break
other.close()
"""
    run(code, environment)
    store = tuimon.read_run(Path(environment["TUIMON_RUNS"]) / "metered")
    assert store["system/process/memory_bytes"].values[0] > 1e7
    assert store["system/host/memory_total_bytes"].values[0] > store["system/host/memory_used_bytes"].values[0]
    assert "tuimon/gpu" in store.texts


def test_a_run_without_a_socket_goes_on_and_says_why(environment: dict[str, str], tmp_path: Path) -> None:
    """Neither folder will do: the log says why the run cannot be steered, and what to do."""
    (tmp_path / "file").write_text("")
    environment |= {"XDG_RUNTIME_DIR": str(tmp_path / ("x" * 100)), "TMPDIR": str(tmp_path / ("y" * 100))}
    (tmp_path / ("y" * 100)).mkdir()
    store, _ = run("step()", environment)
    assert store.started.socket == ""
    assert "longer than 107 bytes" in store.started.socket_error
    notices = [record.event.text for record in store.events if type(record.event).__name__ == "Notice"]
    assert len(notices) == 1 and "cannot be steered" in notices[0] and "XDG_RUNTIME_DIR" in notices[0]
    assert store["loss/train"].steps.tolist() == [1]
