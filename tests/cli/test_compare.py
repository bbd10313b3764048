"""`tuimon compare` without a screen: starts or opens runs, waits for them, and prints one table."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from launching import Runs, status
from tuimon.log.writer import LogWriter


def compared(runs: Runs, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs `tuimon compare` to its end."""
    command = [sys.executable, "-m", "tuimon", "compare", *arguments, "--runs-dir", str(runs.folder), "--headless"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def test_presets_are_started_and_runs_opened(runs: Runs) -> None:
    """It trains a preset with the given settings and waits for a run; the table has a row for each."""
    runs.start("stand-in", "--steps", "40")
    done = compared(runs, "digits-softmax", "stand-in", "epochs=1")
    assert done.returncode == 0, done.stderr
    head, trained, opened = done.stdout.splitlines()
    assert head.split()[:4] == ["RUN", "STATE", "STEP", "LOSS"]
    assert trained.startswith("digits-softmax-01  finished") and opened.startswith("stand-in           finished  40")


def test_the_table_as_json_has_null_for_unknown_values(runs: Runs) -> None:
    """One object for each run; the best validation loss is the lowest finite one."""
    runs.start("stand-in", "--steps", "40")
    row = json.loads(compared(runs, "stand-in", "--json").stdout)
    assert (row["run"], row["state"], row["step"], row["dead_fraction"]) == ("stand-in", "finished", 40, None)
    assert row["best_val_loss"] <= row["val_loss"]


def test_an_unknown_name_is_an_error_that_suggests_presets(runs: Runs) -> None:
    """It is reported before anything starts."""
    done = compared(runs, "digits-sofmax")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "digits-softmax" in done.stderr


def test_ctrl_c_ends_the_waiting_and_names_the_runs_that_continue(runs: Runs) -> None:
    """So that nobody thinks that Ctrl-C stopped them."""
    runs.start("done", "--steps", "3")
    run = runs.start("live")
    command = [sys.executable, "-m", "tuimon", "compare", "done", "live", "--runs-dir", str(runs.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr and "live" in process.stderr.readline()  # how far they are
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and "Still running: live." in told and "Traceback" not in told
    assert status(run) == "running"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_run_that_failed_makes_the_comparison_fail(runs: Runs, form: tuple[str, ...]) -> None:
    """The table still has its row; the exit code is 1."""
    runs.start("bad", "--steps", "3", "--fail")
    done = compared(runs, "bad", *form)
    assert done.returncode == 1 and "failed" in done.stdout


def test_the_exit_code_is_that_of_the_first_run_without_success(runs: Runs) -> None:
    """As the run's own process ended."""
    runs.start("good", "--steps", "3")
    runs.script("three", "raise SystemExit(3)")
    runs.script("five", "raise SystemExit(5)")
    assert compared(runs, "good", "three", "five").returncode == 3


def test_runs_of_one_name_have_a_row_each(runs: Runs, tmp_path: Path) -> None:
    """Two folders, one of them named twice. It finds the loss in a log of another framework."""
    for folder in ("here", "there"):
        log = LogWriter(tmp_path / folder / "one", "v2")
        log.scalars(7, {"train_loss": 0.5})
        log.close()
    paths = [str(tmp_path / folder / "one") for folder in ("here", "there", "here")]
    done = compared(runs, *paths, "--json")
    assert [(row["run"], row["loss"]) for row in map(json.loads, done.stdout.splitlines())] == [("one", 0.5), ("one", 0.5)]


@pytest.mark.parametrize("sources", [["lr=3"], ["a", "lr=3", "epochs=2"]])
def test_settings_that_change_nothing_are_an_error(runs: Runs, sources: list[str]) -> None:
    """If all sources are runs, or there are no other arguments."""
    runs.start("a", "--steps", "20")
    done = compared(runs, *sources)
    assert done.returncode == 1 and "Cannot apply lr=3" in done.stderr
    assert [run.name for run in runs.folder.iterdir()] == ["a"]
