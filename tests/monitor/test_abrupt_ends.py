"""Ends that skip Python's exit handlers: what was logged is in the file, and the log says how it ended."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import tuimon
from conftest import wait_until
from tuimon.log.records import Ended
from tuimon.monitor import ending
from tuimon.monitor.abrupt import SIGNALS

SETUP = """
import multiprocessing, os, signal, sys, time, torch, tuimon
torch.set_num_threads(1)
model = torch.nn.Linear(4, 2)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
monitor = tuimon.watch(model, optimizer, name="run", meters=False)

def step(count=1):
    for _ in range(count):
        optimizer.zero_grad()
        loss = model(torch.ones(2, 4)).square().mean()
        loss.backward()
        optimizer.step()
        monitor.log(loss=loss)

"""


def run(code: str, environment: dict[str, str]) -> tuple[Any, subprocess.CompletedProcess[str]]:
    """Runs a script to its end: its log, and what it printed and exited with."""
    command = [sys.executable, "-c", SETUP + code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
    return tuimon.read_run(Path(environment["TUIMON_RUNS"]) / "run"), done


def ends(store: Any) -> list[Ended]:
    """What the log says of the end."""
    return [record.event for record in store.events if isinstance(record.event, Ended)]


def sockets(environment: dict[str, str]) -> list[Path]:
    """The socket files that are left."""
    return list((Path(environment["XDG_RUNTIME_DIR"]) / "tuimon").glob("*.sock"))


@pytest.mark.parametrize(("code", "how"), [(0, "finished"), (5, "failed"), (130, "stopped"), (256, "finished")])
def test_os_exit_loses_nothing_and_is_told_by_its_name(environment: dict[str, str], code: int, how: str) -> None:
    """With the exit code that it was given; fast steps whose scalars were held back are in the file, and no socket is left."""
    store, done = run(f"step(40)\nos._exit({code})", environment)
    assert (done.returncode, done.stderr) == (code & 0xFF, "")
    assert ends(store) == [Ended(how=how, reason=f"os._exit({code})", step=40)]  # type: ignore[arg-type]
    assert store["loss/train"].steps.tolist() == list(range(1, 41)) and len(store["throughput"]) == 39
    assert sockets(environment) == []


@pytest.mark.parametrize(
    ("code", "how", "reason"),
    [
        ("sys.exit(3)", "failed", "exit code 3"),
        ("raise SystemExit(3)", "finished", "SystemExit, with an exit code that is not known"),
    ],
)
def test_an_exit_code_is_logged_where_no_supervisor_sees_it(
    environment: dict[str, str], code: str, how: str, reason: str
) -> None:
    """Python forgets it before exit handlers run."""
    store, done = run(f"step(2)\n{code}", environment)
    assert done.returncode == 3 and ends(store) == [Ended(how=how, reason=reason, step=2)]  # type: ignore[arg-type]


def test_a_forked_child_of_a_script_knows_its_own_end(environment: dict[str, str]) -> None:
    """It leaves while its parent's frames still stand on its stack."""
    code = """
def work():
    child = tuimon.watch(model, optimizer, name="child", meters=False)
    for _ in range(3):
        optimizer.zero_grad()
        model(torch.ones(2, 4)).sum().backward()
        optimizer.step()
step()
child = multiprocessing.get_context("fork").Process(target=work)
child.start()
child.join()
sys.exit(child.exitcode)
"""
    store, done = run(code, environment)
    child = tuimon.read_run(Path(environment["TUIMON_RUNS"]) / "child")
    assert (done.returncode, [end.how for end in (*ends(store), *ends(child))]) == (0, ["finished", "finished"]), done.stderr


def test_os_exit_takes_what_it_always_took(environment: dict[str, str]) -> None:
    """A wrong argument is the caller's error, and ends nothing."""
    store, done = run("try: os._exit('text')\nexcept TypeError: step(3)", environment)
    assert (done.returncode, done.stderr) == (0, "") and ends(store) == [Ended(how="finished", step=3)]


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_that_ends_the_process_loses_nothing_and_is_told_by_its_name(
    environment: dict[str, str], number: signal.Signals
) -> None:
    """The process ends by the very signal, as without tuimon."""
    loop = f"step(40)\nos.kill(os.getpid(), {int(number)})\ntime.sleep(60)"
    store, done = run(loop, environment)
    assert (done.returncode, done.stderr) == (-number, "")
    assert ends(store) == [Ended(how="killed", reason=f"by {number.name}", step=40)]
    assert store["loss/train"].steps.tolist() == list(range(1, 41))


def test_a_main_thread_in_native_code_keeps_no_process_alive(environment: dict[str, str]) -> None:
    """As one that waits for a device or for other ranks: Python's own handlers would wait for it."""
    code = (
        SETUP + "import ctypes\nstep(5)\nprint('here', flush=True)\nlibrary = ctypes.CDLL(None)\nwhile True: library.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "here\n"
        process.terminate()
        assert process.wait(60) == -signal.SIGTERM
    store = tuimon.read_run(Path(environment["TUIMON_RUNS"]) / "run")
    assert ends(store) == [Ended(how="killed", reason="by SIGTERM", step=5)]


HANDLER = "def handler(*_):\n    print('mine', flush=True)\n    sys.exit(7)\n"
AGAIN = "monitor = tuimon.watch(model, optimizer, name='two')\n"
KILL = "os.kill(os.getpid(), signal.SIGTERM)\ntime.sleep(60)"


@pytest.mark.parametrize(
    "code",
    [
        f"step(2)\nassert signal.signal(signal.SIGTERM, handler) is signal.SIG_DFL\nstep(2)\n{KILL}",
        f"monitor.close()\nsignal.signal(signal.SIGTERM, handler)\n{AGAIN}step()\n{KILL}",
        f"signal.signal(signal.SIGTERM, handler)\nmonitor.close()\n{KILL}",
    ],
    ids=["installed later", "installed before", "once nothing is watched"],
)
def test_a_scripts_own_handler_is_left_alone(environment: dict[str, str], code: str) -> None:
    """Whenever it was installed; until then the script sees that there is none."""
    _, done = run(HANDLER + code, environment)
    assert (done.returncode, done.stdout, done.stderr) == (7, "mine\n", "")


def test_a_script_that_ignores_a_signal_goes_on(environment: dict[str, str]) -> None:
    """As under nohup."""
    code = "signal.signal(signal.SIGHUP, signal.SIG_IGN)\nstep()\nos.kill(os.getpid(), signal.SIGHUP)\nstep()"
    store, done = run(code, environment)
    assert done.returncode == 0 and ends(store) == [Ended(how="finished", step=2)]


CHILDREN = """
def work(): time.sleep(60)
step()
for _ in range(20):  # before the child has run anything of Python's, or after
    child = multiprocessing.get_context("fork").Process(target=work)
    child.start()
    child.terminate()
    child.join()
    assert child.exitcode == -15
child = os.fork()
if child == 0: os._exit(3)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
with multiprocessing.get_context("fork").Pool(1) as pool: print(pool.map(abs, [-1]))
pool.join()
step()
"""


def test_children_end_by_themselves(environment: dict[str, str]) -> None:
    """A forked child that is terminated, or leaves by `os._exit`, ends as ever, and its parent trains on."""
    store, done = run(CHILDREN, environment)
    assert (done.returncode, done.stdout.split(), done.stderr) == (0, ["3", "[1]"], "")
    assert ends(store) == [Ended(how="finished", step=2)]


def test_several_runs_of_a_process_each_end(environment: dict[str, str]) -> None:
    """Two monitors are open when SIGTERM comes."""
    more = "second = torch.nn.Linear(2, 1)\nother = tuimon.watch(second, torch.optim.SGD(second.parameters()), name='two')\n"
    store, _ = run(more + f"step()\n{KILL}", environment)
    other = tuimon.read_run(Path(environment["TUIMON_RUNS"]) / "two")
    assert ends(store)[0].reason == ends(other)[0].reason == "by SIGTERM"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (MemoryError("no room"), "out of memory: MemoryError: no room"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
            "out of memory: OutOfMemoryError: CUDA out of",
        ),
        (
            RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried"),
            "out of memory: RuntimeError: [enf",
        ),
        (RuntimeError("CUDA error: out of memory"), "out of memory: RuntimeError: CUDA error"),
        (RuntimeError("shapes do not match"), "RuntimeError: shapes"),
        (ValueError("the joke is out of memory"), "ValueError: the joke"),
    ],
)
def test_want_of_memory_is_told_by_its_name(error: BaseException, reason: str) -> None:
    """Of the host and of a GPU, and nothing else is."""
    how, told = ending.how_it_ends(error)
    assert how == "failed" and told.startswith(reason)


def test_a_run_that_is_being_closed_elsewhere_is_waited_for_no_longer_than_a_second(start: Any) -> None:
    """A disk that hangs under another thread keeps no process alive."""
    import threading

    training = start()
    training.step()
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        with training.monitor._writer._lock:
            held.set()
            done.wait(60)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(60)
    leaving = threading.Thread(target=training.monitor.leave_now, args=("killed", "by SIGTERM"))
    leaving.start()
    wait_until(lambda: not leaving.is_alive())
    done.set()
    thread.join()
    assert training.events(Ended) == []
