"""What is asked of a process that trains, and what it answers: a line of JSON each. Knows no torch."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

import msgspec

import tuimon
from benchmarks.diagnosis.recipe import Recipe

PATHS = (Path(__file__).parent.parent.parent, Path(tuimon.__file__).parent.parent)  # of benchmarks and tuimon


class Order(msgspec.Struct):
    """What to train, the folder that takes its log (empty where none is wanted) and the file that takes its outcome."""

    recipe: Recipe
    place: str
    outcome: str


class Done(msgspec.Struct):
    """What has been trained, how long it took, and what went wrong."""

    recipe: Recipe
    seconds: float
    error: str


class Trainer:
    """A process that trains one recipe after the other."""

    def __init__(self) -> None:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, PATHS)), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "benchmarks.diagnosis.trainer"]
        self._process = subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            self._process.terminate()
        self._process.communicate()

    def train(self, order: Order) -> Done:
        """Waits until it is trained."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin and stdout
        try:
            stdin.write(msgspec.json.encode(order) + b"\n")
            stdin.flush()
            return msgspec.json.decode(stdout.readline(), type=Done)
        except (OSError, msgspec.DecodeError) as error:
            return Done(order.recipe, 0.0, f"the process that trains has ended: {error}")
