"""Fixtures for all tests of searches."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from launching import Runs

# A program that is a trial in a second: a real run with a real log, and no torch in it.
SCRIPT = """
import argparse, math, os, sys, time
from pathlib import Path
from tuimon.log.records import Finding
from tuimon.log.writer import LogWriter

parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float, default=1e-3)
parser.add_argument("--act", default="relu")
parser.add_argument("--steps", type=int, default=5)
parser.add_argument("--period", type=float, default=0.0)
parser.add_argument("--crash-above", type=float, default=math.inf)
parser.add_argument("--nan-above", type=float, default=math.inf)
parser.add_argument("--broken", action="store_true")
parser.add_argument("--tag", default="loss/val")
o = parser.parse_args()
if o.lr > o.crash_above:
    raise ValueError(f"the rate {o.lr:g} is too high")
log = LogWriter(Path(os.environ["TUIMON_RUN_FOLDER"]), "run")
for step in range(1, o.steps + 1):
    loss = (math.log10(o.lr) + 3) ** 2 + (o.act == "tanh") + 1 / step
    log.scalars(step, {o.tag: math.nan if o.lr > o.nan_above else loss})
    if o.broken and step == 3:
        log.event(Finding(step, "dead", "fc1 is dead", severity="critical"), step)
    time.sleep(o.period)
log.close()
"""


class Studies:
    """A folder of runs in which the command is called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runs = folder / "runs"
        self.runs.mkdir()
        (folder / "train.py").write_text(SCRIPT)
        self.started: list[subprocess.Popen[str]] = []

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Starts `tuimon search`."""
        command = [sys.executable, "-m", "tuimon", "search", "--runs-dir", str(self.runs), *arguments]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=self.folder, stdout=pipe, stderr=pipe, text=True, env=self.environment)
        self.started.append(process)
        return process

    def done(self, *arguments: str, code: int = 0) -> str:
        """Runs it to its end; returns what it printed."""
        process = self.begin(*arguments)
        out, errors = process.communicate(timeout=100)
        assert process.returncode == code, out + errors
        assert "Traceback" not in errors
        return out + errors

    @property
    def environment(self) -> dict[str, str]:
        root = str(Path(__file__).parents[2])
        return os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH", "")]))}

    def trials(self, study: str = "s") -> Sequence[Path]:
        """The runs of a study."""
        return sorted((self.runs / study).glob("trial-*"))

    def end_all(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.communicate()
        for study in self.runs.iterdir():
            Runs(study).end_all()


@pytest.fixture
def studies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Studies]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    found = Studies(tmp_path)
    try:
        yield found
    finally:
        found.end_all()
