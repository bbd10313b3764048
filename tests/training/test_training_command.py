"""`python -m tuimon.training`, in real processes: exit codes, signals, and errors in one line."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from conftest import wait_until
from tuimon.log.reader import read_run
from tuimon.log.records import CheckpointSaved, Command
from tuimon.training import checkpoint
from tuimon.training.__main__ import main

ROOT = Path(__file__).parents[2]
Start = Callable[..., subprocess.Popen[str]]

HANGS_IN_VALIDATION = """
import time
from torch import nn

class Hangs(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(64, 10)

    def forward(self, x):
        if not self.training and len(x) > 2:
            print("hangs", flush=True)
            time.sleep(600)
        return self.out(x.flatten(1))

def build(spec):
    return Hangs()
"""


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts trainings in `tmp_path`, and ends them with the test."""
    started: list[subprocess.Popen[str]] = []
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONFAULTHANDLER": "1"}

    def begin(*arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tuimon.training", *arguments]
        output = open(tmp_path / "output.log", "w")  # noqa: SIM115 - the child's from here on
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=output, stderr=subprocess.PIPE, text=True, process_group=0
        )
        output.close()
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def said(folder: Path) -> str:
    return (folder / "output.log").read_text()


def wait_for(text: str, process: subprocess.Popen[str], folder: Path) -> None:
    wait_until(lambda: text in said(folder) or process.poll() is not None, timeout=60, what=text)
    assert process.poll() is None, process.stderr and process.stderr.read()


def saved_last(run: Path) -> bool:
    """Whether the log says that there is a checkpoint to resume from."""
    events = [record.event for record in read_run(run).events]
    return any(isinstance(event, CheckpointSaved) and event.reason == "last" for event in events)


def test_a_first_signal_stops_gracefully_and_the_run_can_be_resumed(start: Start, tmp_path: Path):
    """It validates, saves, logs its end, and exits with 130; the resumed run finishes with 0."""
    run = tmp_path / "run"
    process = start("digits-mlp", "--run-dir", "run", "device=cpu", "epochs=100000")
    wait_for("epoch 1 ", process, tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    store = read_run(run)
    assert store.ended is not None
    assert store.ended.how == "stopped"
    assert checkpoint.load(run / "checkpoints" / "last.pt")["step"] == store.ended.step == store["accuracy/val"].steps[-1]
    assert main([str(run), "--resume", f"steps={store.ended.step + 10}"]) == 0
    assert read_run(run)["loss/train"].steps[-1] == store.ended.step + 10


def test_a_folder_is_trained_in_by_one_process(start: Start, tmp_path: Path):
    """A second one ends before it writes anything, and says which process the first is."""
    first = start("digits-mlp", "--run-dir", "run", "device=cpu", "epochs=100000")
    wait_for("epoch 1 ", first, tmp_path)
    wait_until((tmp_path / "run" / "checkpoints" / "last.pt").exists, what="a checkpoint to resume from")
    files = {path.name for path in (tmp_path / "run").iterdir()}
    for arguments in (("run", "--resume"), ("digits-mlp", "--run-dir", "run")):
        second = start(*arguments)
        error = second.communicate(timeout=60)[1]
        assert second.returncode == 1 and f"run: process {first.pid} is training there" in error and "Traceback" not in error
    assert {path.name for path in (tmp_path / "run").iterdir()} == files and first.poll() is None


def test_a_second_signal_stops_at_once(start: Start, tmp_path: Path):
    """Even during a validation that never ends."""
    (tmp_path / "mine.py").write_text(HANGS_IN_VALIDATION)
    process = start("digits-mlp", "--run-dir", "run", "model=mine.py", "device=cpu")
    wait_for("hangs", process, tmp_path)
    process.send_signal(signal.SIGTERM)
    wait_for("a second signal stops at once", process, tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert process.stderr is not None
    assert process.stderr.read() == "tuimon: stopped at once; a resumed run continues from the last checkpoint\n"
    ended = read_run(tmp_path / "run").ended
    assert ended is not None
    assert ended.how == "stopped"


def test_a_signal_ends_a_paused_run(start: Start, tmp_path: Path):
    """It does not wait for the pause to end."""
    process = start("digits-mlp", "--run-dir", "run", "device=cpu", "epochs=100000")
    wait_for("epoch 1 ", process, tmp_path)
    started = read_run(tmp_path / "run").started
    assert started is not None
    with socket.socket(socket.AF_UNIX) as control:
        control.connect(started.socket)
        control.sendall(b'{"want":"control"}\n' + msgspec.json.encode(Command("pause", "do", id="1")) + b"\n")
        assert b'"applied"' in control.recv(65536)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell where an open file is")
def test_checkpoints_follow_a_run_that_is_renamed(start: Start, tmp_path: Path):
    """They are saved under the new name, and nothing is created under the old one."""
    process = start("digits-mlp", "--run-dir", "old", "device=cpu", "epochs=100000")
    wait_for("epoch 1 ", process, tmp_path)
    wait_until(lambda: saved_last(tmp_path / "old"), what="the first checkpoint; the next one comes seconds later")
    (tmp_path / "old").rename(tmp_path / "new")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    ended = read_run(tmp_path / "new").ended
    assert ended is not None
    assert checkpoint.load(tmp_path / "new" / "checkpoints" / "last.pt")["step"] == ended.step
    assert not (tmp_path / "old").exists()


def test_a_run_whose_folder_is_deleted_continues(start: Start, tmp_path: Path):
    """Nobody can watch it any more, but it still saves its weights: they may be worth days of training."""
    process = start("digits-mlp", "--run-dir", "run", "device=cpu", "epochs=100000")
    wait_for("epoch 1 ", process, tmp_path)
    shutil.rmtree(tmp_path / "run")
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    assert checkpoint.load(tmp_path / "run" / "checkpoints" / "last.pt")["step"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits-mpl"], "tuimon: digits-mpl: no preset or file has this name; did you mean digits-mlp?\n"),
        (["digits-mlp", "lr=-1"], "tuimon: optimizer.lr = -1: must be a number above 0 and at most 1000\n"),
        (["digits-mlp", "--run-dir", "file/run"], "tuimon: Cannot write the run's spec into file/run: Not a directory\n"),
        (
            ["digits-mlp", "--run-dir", "old"],
            "tuimon: old: already holds a trained run\n  Add --resume to continue it, or use another folder.\n",
        ),
        (
            ["digits-mlp", "--run-dir", "new", "--resume"],
            "tuimon: Cannot resume: there is no checkpoint new/checkpoints/last.pt\n",
        ),
    ],
)
def test_errors_are_reported_without_a_traceback(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    """On stderr, with exit code 1."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    (tmp_path / "old" / "checkpoints").mkdir(parents=True)
    (tmp_path / "old" / "checkpoints" / "last.pt").write_text("")
    assert main([*arguments, "device=cpu"]) == 1
    assert capfd.readouterr().err.startswith(message)


def test_a_refused_resume_does_not_change_the_run(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Its spec and its log stay the same, too."""
    run = tmp_path / "run"
    assert main(["digits-softmax", "--run-dir", str(run), "device=cpu", "steps=3"]) == 0
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    assert main([str(run), "--resume", "model=mlp", "steps=6"]) == 1
    assert "Cannot resume with model.name = 'mlp': the checkpoint was made with 'softmax'" in capfd.readouterr().err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_without_a_folder_a_run_gets_a_new_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Named after its spec, in the folder of runs."""
    monkeypatch.setenv("TUIMON_RUNS", str(tmp_path / "runs"))
    assert main(["digits-softmax", "device=cpu", "steps=3"]) == 0
    assert main(["digits-softmax", "device=cpu", "steps=3"]) == 0
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["digits-softmax", "digits-softmax-2"]
    assert (tmp_path / "runs" / "digits-softmax-2" / "spec.toml").is_file()


def test_running_out_of_memory_is_reported_and_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """A user's model that needs too much: exit code 1, a hint what to make smaller, and a failed run in the log."""
    (tmp_path / "mine.py").write_text(
        "import torch\nfrom torch import nn\n\n"
        "class Greedy(nn.Linear):\n"
        "    def forward(self, x):\n"
        "        return super().forward(x.flatten(1)) + (torch.empty(2**60).sum() if self.training else 0)\n\n"
        "def build(spec):\n    return Greedy(64, 10)\n"
    )
    run = tmp_path / "run"
    assert main(["digits-mlp", f"model={tmp_path}/mine.py", "--run-dir", str(run), "device=cpu"]) == 1
    assert "Try a smaller batch_size (now 8)" in capfd.readouterr().err
    ended = read_run(run).ended
    assert ended is not None
    assert ended.how == "failed"
    assert "Out of memory" in ended.reason


def test_the_help_names_the_arguments(capsys: pytest.CaptureFixture[str]):
    """Also --resume."""
    with pytest.raises(SystemExit) as left:
        main(["--help"])
    assert left.value.code == 0
    assert "--resume" in capsys.readouterr().out
