"""What the command line does before it runs another user's files: it refuses, asks at a terminal, or is told to trust them."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import wait_until
from launching import Runs
from tuimon.launcher.runs.glance import lifecycle
from tuimon.spec.loading import load_spec

MODEL = """
from pathlib import Path
Path(__file__).with_name("was-run").touch()
from torch import nn
def build(spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""
REFUSAL = "tuimon: Training {0} would run {1}/evil.py: {1} can be changed by everybody"


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """A folder that others may write to: a spec, and the model file that it names."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "evil.py").write_text(MODEL)
    (folder / "spec.toml").write_text(load_spec("digits-mlp", [f"model.name={folder}/evil.py", "steps=20"]).to_toml())
    folder.chmod(0o777)
    return folder


@pytest.mark.parametrize("verb", ["run", "check", "compare"])
@pytest.mark.parametrize("name", ["spec.toml", ""])
def test_nothing_is_run_where_nobody_can_be_asked(theirs: Path, tmp_path: Path, verb: str, name: str) -> None:
    """One line says what would run, and whose it is, another what to add; exit code 1. A folder is no source of `compare`."""
    source = str(theirs / name)
    command = [sys.executable, "-m", "tuimon", "--runs-dir", str(tmp_path / "runs"), verb, source]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and not done.stdout
    if name or verb != "compare":
        assert done.stderr.startswith(REFUSAL.format(source, theirs)) and "add --trust" in done.stderr
    assert not (theirs / "was-run").exists() and not (tmp_path / "runs").exists()


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("yes", 0), ("n", 1), ("", 1), ("\x04", 1)])
def test_at_a_terminal_the_user_is_asked(theirs: Path, runs: Runs, answer: str, code: int) -> None:
    """Only a yes runs it; the end of the input is none."""
    master, slave = pty.openpty()
    command = [sys.executable, "-m", "tuimon", "--runs-dir", str(runs.folder), "run", str(theirs), "--name", "a", "--detach"]
    with subprocess.Popen(command, stdin=slave, stdout=subprocess.PIPE, stderr=slave, text=True) as asking:
        os.close(slave)
        asked = b""

        def is_asked() -> bool:
            nonlocal asked
            asked += os.read(master, 4096)
            return b"Run it anyway? [y/N] " in asked

        wait_until(is_asked)
        assert REFUSAL.format(theirs, theirs) in asked.decode().replace("\r\n", "\n")
        assert not list(runs.folder.iterdir())
        os.write(master, answer.encode() + b"\n" * (answer != "\x04"))
        assert asking.wait(60) == code
    os.close(master)
    if not code:
        wait_until(lambda: lifecycle(runs.folder / "a").exited, 100)
    assert (theirs / "was-run").exists() == (not code)


def test_with_trust_it_is_run_without_a_question(theirs: Path, runs: Runs) -> None:
    """By a script, say, that knows what it does."""
    command = [sys.executable, "-m", "tuimon", "--runs-dir", str(runs.folder), "run", str(theirs), "--trust", "--headless"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and (theirs / "was-run").exists(), done.stderr
    resumed = [*command[:5], "resume", "latest", "steps=40", "--headless"]
    done = subprocess.run(resumed, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL)
    assert done.returncode == 1 and f"{theirs} can be changed by everybody" in done.stderr, "the model is still theirs"
    done = subprocess.run([*resumed, "--trust"], capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
