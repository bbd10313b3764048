"""Runs for tests: real supervised processes, all of which are gone when the test ends."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

from conftest import wait_until
from tuimon.base.process import Process, is_alive
from tuimon.launcher.places.spawn import supervise
from tuimon.launcher.runs.glance import lifecycle

STANDIN = Path(__file__).with_name("standin_trainer.py")


class Runs:
    """A folder of runs, each started under a real supervisor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)

    def start(self, name: str, *arguments: str) -> Path:
        """Starts the stand-in trainer; returns once it logs."""
        run = self.supervise(name, sys.executable, str(STANDIN), str(self.folder / name), *arguments)
        wait_until(lambda: lifecycle(run).training, what=f"{name} has begun to train")
        return run

    def supervise(self, name: str, *command: str) -> Path:
        """Starts a run of any command."""
        run = self.folder / name
        run.mkdir(exist_ok=True)
        supervise(run, command, details={"name": name, "device": "cpu"})
        return run

    def script(self, name: str, code: str) -> Path:
        """Starts a run of a piece of Python code."""
        return self.supervise(name, sys.executable, "-c", code)

    def end_all(self) -> None:
        """Kills what is left of all runs: trainers and supervisors."""
        for run in self.folder.iterdir():
            if run.is_dir():
                for process in processes(run):
                    end(process)


def processes(run: Path) -> list[Process]:
    """The living processes of a run, including its supervisor's children."""
    import psutil

    life = lifecycle(run)
    known = [life.launched.supervisor] if life.launched else []
    known += [life.started.process] if life.started else []
    known += [life.spawned] if life.spawned else []
    alive = [process for process in known if is_alive(process)]
    if life.launched and life.launched.supervisor in alive:
        for child in psutil.Process(life.launched.supervisor.pid).children():
            alive.append(Process(alive[0].host, alive[0].boot_id, child.pid, started_of(child.pid)))
    return alive


def started_of(pid: int) -> float:
    """The start time of a living process."""
    from tuimon.base.process import identify

    found = identify(pid)
    return found.started if found else -1.0


def end(process: Process) -> None:
    """Kills a process and waits until it is gone."""
    if is_alive(process):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    wait_until(lambda: not is_alive(process))


def status(run: Path) -> str:
    """A run's state, as one word."""
    return lifecycle(run).status().state


def runs_in(folder: Path) -> Iterator[Runs]:
    """The body of a `Runs` fixture."""
    runs = Runs(folder)
    try:
        yield runs
    finally:
        runs.end_all()
