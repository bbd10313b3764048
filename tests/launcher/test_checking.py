"""Checks in a process of their own: the verb, its exit codes, and a model file that misbehaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from conftest import wait_until
from tuimon.base.errors import TuimonError
from tuimon.launcher.start.checking import check
from tuimon.spec.loading import load_spec
from tuimon.training.report import Line, worst

FROZEN = """
from torch import nn
print("a model file that talks")
def build(spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).requires_grad_(False)
"""


def mine(folder: Path, text: str) -> str:
    """The override that names a user's own model file."""
    path = folder / "mine.py"
    path.write_text(text)
    return f"model={path}"


def tuimon(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The real command, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "tuimon", "check", *arguments],
        capture_output=True,
        text=True,
        timeout=100,
        stdin=subprocess.DEVNULL,
    )


def test_what_fails_ends_with_1_and_stands_in_the_report(tmp_path: Path) -> None:
    """As JSON lines that nothing which the model's file prints gets between."""
    done = tuimon("digits-mlp", mine(tmp_path, FROZEN), "device=cpu", "--json")
    found = {line["check"]: line for line in map(json.loads, done.stdout.splitlines())}
    assert done.returncode == 1
    assert found["parameters"]["verdict"] == "fail" and found["inputs"]["verdict"] == "pass"


def test_a_report_of_the_quadratic_ends_with_0(tmp_path: Path) -> None:
    """As text: a line each, the range test drawn, the sum at the end, and no escape sequences in a pipe."""
    done = tuimon("digits-mlp", "data=quadratic", "model=quadratic", "optimizer=gd", "lr=0.1", "device=cpu", "--ascii")
    rows = done.stdout.splitlines()
    assert done.returncode == 0, done.stdout
    assert rows[0] == "digits-mlp, before training" and rows[-1].endswith("pass. Ready to train.")
    assert any("suggested" in row for row in rows) and any(row.startswith("pass  first loss") for row in rows)
    assert done.stdout.isascii() and "\x1b" not in done.stdout


def test_no_such_spec_is_an_error() -> None:
    """One line, and nothing was started."""
    done = tuimon("digit-mlp")
    assert done.returncode == 1 and "no preset" in done.stderr and "Traceback" not in done.stderr


def test_a_process_that_crashes_is_told(tmp_path: Path) -> None:
    """With how it ended and its last word."""
    spec = load_spec("digits-mlp", ["device=cpu", mine(tmp_path, "import os, sys\nsys.stderr.write('ouch\\n')\nos._exit(9)\n")])
    with pytest.raises(TuimonError, match="exit code 9: ouch"):
        list(check(spec))


def test_closing_the_report_ends_the_process() -> None:
    """Whoever leaves the screen leaves no process behind."""
    lines = check(load_spec("digits-mlp", ["device=cpu"]))
    assert next(lines).check == "inputs"
    (child,) = (each for each in psutil.Process().children() if "tuimon.training.check" in each.cmdline())
    lines.close()
    wait_until(lambda: not child.is_running())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_process_and_leaves_no_folder(tmp_path: Path, number: signal.Signals) -> None:
    """Also that of a scheduler whose time is over."""
    command = [sys.executable, "-m", "tuimon", "check", "digits-mlp", "device=cpu", "--json"]
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout and process.stdout.readline()
    (child,) = psutil.Process(process.pid).children()
    process.send_signal(number)
    _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (130, "")
    assert not child.is_running() and list(tmp_path.iterdir()) == []


def test_the_worst_line_decides() -> None:
    """One that fails among many that pass."""
    found = [Line("a", "pass"), Line("b", "fail"), Line("c", "warn")]
    assert [worst(found[:end]) for end in (0, 1, 2)] == ["pass", "pass", "fail"]
    assert worst([found[0], found[2]]) == "warn"
