"""`set` and `stop` on runs that are starting, that are over, and that do not do as they are told."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from launching import STANDIN, Runs
from tuimon.launcher.runs.glance import lifecycle


def tuimon(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the real command without a terminal."""
    command = [sys.executable, "-m", "tuimon", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL)


def test_set_waits_for_a_run_that_is_starting(runs: Runs) -> None:
    """It says so on stderr, and is applied as soon as the training has begun."""
    go = runs.folder / "go"
    trainer = shlex.join([sys.executable, str(STANDIN), str(runs.folder / "a")])
    runs.supervise("a", "sh", "-c", f"until [ -e {shlex.quote(str(go))} ]; do sleep 0.02; done; exec {trainer}")
    command = [sys.executable, "-m", "tuimon", "set", "a", "lr_scale=0.5", "--runs-dir", str(runs.folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiting:
        assert waiting.stdout and waiting.stderr
        assert waiting.stderr.readline() == "a is starting; waiting up to 60 s for its training to begin\n"
        go.touch()
        out, error = waiting.communicate(timeout=60)
    assert (waiting.returncode, error) == (0, "") and "lr_scale 1 → 0.5" in out


@pytest.mark.parametrize("timeout", ["0", "0.2"])
def test_set_gives_up_on_a_run_that_goes_on_starting(runs: Runs, timeout: str) -> None:
    """After the time that was asked for."""
    runs.script("a", "import time; time.sleep(600)")
    done = tuimon("set", "a", "pause", "--timeout", timeout, "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and f"a is still starting after {timeout} s." in done.stderr


def test_set_does_not_wait_for_a_run_that_is_over(runs: Runs) -> None:
    """Nor for one that ends while it is waited for."""
    run = runs.script("a", "import time; time.sleep(1.5); raise SystemExit(3)")
    done = tuimon("set", "a", "pause", "--timeout", "1000000", "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and "a is not running: failed (exit code 3)" in done.stderr and lifecycle(run).exited
    done = tuimon("set", "a", "pause", "--timeout", "1000000", "--runs-dir", str(runs.folder))
    assert done.returncode == 1 and done.stderr.startswith("tuimon: a is not running")


@pytest.mark.parametrize("timeout", ["-1", "nan", "inf", "soon"])
def test_a_timeout_that_is_no_time_is_an_error(timeout: str) -> None:
    """In the words of the other options."""
    done = tuimon("set", "a", "pause", f"--timeout={timeout}")
    assert done.returncode == 2 and f"argument --timeout: invalid seconds value: '{timeout}'" in done.stderr
