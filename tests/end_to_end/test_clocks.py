"""A real training and the real commands, under a clock that is set back: what is shown is so, and one process trains."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from clock import Clock
from conftest import wait_until
from launching import Runs, runs_in
from tuimon.base.process import is_alive
from tuimon.launcher.runs.glance import glance, lifecycle
from tuimon.log.reader import read_run

CHECKOUT = Path(__file__).parents[2]
HOUR_S = 3600.0
SLOW_S = 120.0


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """A folder of runs; whatever was started ends with the test."""
    monkeypatch.setenv("PYTHONPATH", str(CHECKOUT))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    yield from runs_in(tmp_path / "runs")


def tuimon(runs: Runs, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    command = [sys.executable, "-m", "tuimon", *arguments, "--runs-dir", str(runs.folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=SLOW_S)


def trained(run: Path) -> int:
    """The latest step that is on disk."""
    return int(glance(run).step)


def listed(runs: Runs) -> str:
    """The state that `tuimon ls` shows of the one run."""
    run = json.loads(tuimon(runs, "ls", "--json").stdout)
    return str(run["state"])


def test_a_run_is_resumed_once_under_a_clock_that_was_set_back(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An hour back before the resume: it is shown as running, is steered, is not resumed a second time, and is stopped."""
    clock = Clock(tmp_path / "clock", monkeypatch)
    assert tuimon(runs, "run", "digits-softmax", "epochs=100000", "device=cpu", "--name", "a", "--detach").returncode == 0
    run = runs.folder / "a"
    wait_until(lambda: trained(run) > 0, SLOW_S, "the run trains")
    assert tuimon(runs, "stop", "a").returncode == 0
    wait_until(lambda: lifecycle(run).exited, SLOW_S, "the run ends")
    assert listed(runs) == "stopped"
    before = trained(run)

    clock.set(-HOUR_S)
    resumes = [
        subprocess.Popen(
            [sys.executable, "-m", "tuimon", "resume", "a", "--detach", "--runs-dir", str(runs.folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    errors = [process.communicate(timeout=SLOW_S)[1] for process in resumes]
    assert sorted(process.returncode for process in resumes) == [0, 1, 1], errors
    wait_until(lambda: lifecycle(run).training and trained(run) > before, SLOW_S, "the resumed run trains")
    trainer = lifecycle(run).training.process  # type: ignore[union-attr]
    assert listed(runs) == "running"
    again = tuimon(runs, "resume", "a", "--detach")
    assert again.returncode == 1 and "it is running" in again.stderr
    assert "applied at step" in tuimon(runs, "set", "a", "lr_scale=0.5").stdout

    clock.set(-2 * HOUR_S)
    done = tuimon(runs, "stop", "--now", "a")
    assert (done.returncode, is_alive(trainer)) == (0, False), done.stderr
    wait_until(lambda: lifecycle(run).exited, SLOW_S, "its end is recorded")
    assert listed(runs) in ("stopped", "killed")  # the latter where a busy machine gives it no time to end itself
    steps = read_run(run)["loss/train"].steps.tolist()
    assert steps == sorted(set(steps))
    assert len(list(run.glob("*.launch"))) == len(list(run.glob("*.run"))) == 2
