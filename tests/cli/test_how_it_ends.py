"""How a training ends, in each of the ways that it does: by its own name in all views, with the exit code of plain Python."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from launching import Runs
from tuimon.launcher.runs.summary import summarize
from tuimon.log.reader import read_run
from tuimon.log.records import Notice

TRAINS = """
import os, signal, sys, threading, time
import torch
torch.set_num_threads(1)
net = torch.nn.Linear(8, 2)
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
def train(steps):
    for _ in range(steps):
        net(torch.randn(32, 8)).pow(2).mean().backward()
        optimizer.step()
        optimizer.zero_grad()
"""
BRACKETS = "ValueError: shape [/] [red] \x1b[31m 形状"


def ended(runs: Runs, tmp_path: Path, code: str) -> tuple[int, dict[str, object], Path]:
    """Runs a script as a CI job would: its exit code, the last JSON line, and the run."""
    (tmp_path / "train.py").write_text(TRAINS + code)
    command = [sys.executable, "-m", "tuimon", "run", "--json", "--name", "it", "train.py"]
    environment = os.environ | {"TUIMON_RUNS": str(runs.folder), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=100)
    return done.returncode, json.loads(done.stdout.splitlines()[-1]), runs.folder / "it"


@pytest.mark.parametrize(
    ("ending", "code", "state", "detail"),
    [
        ("", 0, "finished", ""),
        ("sys.exit(3)", 3, "failed", "exit code 3"),
        ("sys.exit('bad config [/red] value')", 1, "failed", "SystemExit: bad config [/red] value"),
        ("os._exit(0)", 0, "finished", "os._exit(0)"),
        ("os._exit(5)", 5, "failed", "os._exit(5)"),
        ("import ctypes; ctypes.string_at(0)", 128 + 11, "killed", "SIGSEGV: it crashed in native code"),
        ("os.abort()", 128 + 6, "killed", "SIGABRT: it crashed in native code"),
        ("os.kill(os.getpid(), signal.SIGKILL)", 128 + 9, "killed", "by SIGKILL"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", 128 + 15, "killed", "by SIGTERM"),
        ("threading.Thread(target=lambda: 1 / 0).start()", 0, "finished", ""),
        ("raise KeyboardInterrupt", 130, "stopped", "interrupted"),
        (f"raise ValueError({BRACKETS[12:]!r})", 1, "failed", BRACKETS),
        ("raise ExceptionGroup('several', [ValueError('a')])", 1, "failed", "ExceptionGroup: several (1 sub-exception)"),
        ("raise torch.OutOfMemoryError('CUDA: [8 GiB]')", 1, "failed", "out of memory: OutOfMemoryError: CUDA: [8 GiB]"),
    ],
)
def test_each_end_has_its_own_name_and_exit_code(
    runs: Runs, tmp_path: Path, ending: str, code: int, state: str, detail: str
) -> None:
    """In the exit code, the last JSON line and the list of runs; what was logged before an orderly end is in the log."""
    status, last, run = ended(runs, tmp_path, f"train(30)\n{ending}")
    assert (status, last["code"], last["state"], last["detail"]) == (code, code, state, detail)
    told = summarize(run).status
    assert (told.state, told.detail) == (state, detail)
    if state != "killed" or "SIGTERM" in detail:
        assert read_run(run)["loss/train"].steps.tolist() == list(range(1, 31))


@pytest.mark.parametrize(
    ("ending", "code", "state", "detail"),
    [
        ("raise torch.OutOfMemoryError('CUDA')", 1, "failed", "out of memory: OutOfMemoryError: CUDA"),
        ("import no_such_module", 1, "failed", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("net(torch.ones(8)).sum().backward()\nraise ValueError('two\\nlines')", 1, "failed", "ValueError: two lines"),
        ("os._exit(5)", 5, "failed", "exit code 5"),
        ("raise KeyboardInterrupt", 130, "stopped", "by SIGINT"),
    ],
)
def test_an_end_before_the_first_step_has_its_own_name(
    runs: Runs, tmp_path: Path, ending: str, code: int, state: str, detail: str
) -> None:
    """As where the first batch is too large for the GPU: nothing of an update by hand, or of nothing to watch."""
    status, last, run = ended(runs, tmp_path, ending)
    assert (status, last["state"], last["detail"]) == (code, state, detail)
    if state == "failed" and "exit" not in detail:
        assert not [record.event for record in read_run(run).events if isinstance(record.event, Notice)]
