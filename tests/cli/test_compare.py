"""Several runs side by side, without a screen: started or opened, waited for, and told in one table."""

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
    """What `tuimon compare` prints."""
    command = [sys.executable, "-m", "tuimon", "compare", *arguments, "--runs-dir", str(runs.folder), "--headless"]
    return subprocess.run(command, capture_output=True, text=True, timeout=100)


def test_presets_are_started_and_runs_opened(runs: Runs) -> None:
    """A preset is trained with what was overridden, a run is waited for; the table has a row for each."""
    runs.start("stand-in", "--steps", "40")
    done = compared(runs, "digits-softmax", "stand-in", "epochs=1")
    assert done.returncode == 0, done.stderr
    head, trained, opened = done.stdout.splitlines()
    assert head.split()[:4] == ["RUN", "STATE", "STEP", "LOSS"]
    assert trained.startswith("digits-softmax-01  finished") and opened.startswith("stand-in           finished  40")


def test_the_table_as_json_has_null_for_what_is_not_known(runs: Runs) -> None:
    """One object a run; the best validation loss is the lowest that was finite."""
    runs.start("stand-in", "--steps", "40")
    (row,) = json.loads(compared(runs, "stand-in", "--json").stdout)
    assert (row["run"], row["state"], row["step"], row["dead_fraction"]) == ("stand-in", "finished", 40, None)
    assert row["best_val_loss"] <= row["val_loss"]


def test_what_is_neither_is_an_error_with_the_nearest_names(runs: Runs) -> None:
    """One line, before anything is waited for."""
    done = compared(runs, "digits-sofmax")
    assert done.returncode == 1 and "Traceback" not in done.stderr and "digits-softmax" in done.stderr


def test_ctrl_c_ends_the_watching_and_says_what_goes_on(runs: Runs) -> None:
    """Nobody is to think that it stopped them."""
    runs.start("done", "--steps", "3")
    run = runs.start("live")
    command = [sys.executable, "-m", "tuimon", "compare", "done", "live", "--runs-dir", str(runs.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr and "live" in process.stderr.readline()  # how far they are
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert process.returncode == 130 and "What still runs goes on: live." in told and "Traceback" not in told
    assert status(run) == "running"


@pytest.mark.parametrize("form", [(), ("--json",)])
def test_a_run_that_failed_makes_the_comparison_fail(runs: Runs, form: tuple[str, ...]) -> None:
    """Its row is there, and the exit code tells."""
    runs.start("bad", "--steps", "3", "--fail")
    done = compared(runs, "bad", *form)
    assert done.returncode == 1 and "failed" in done.stdout


def test_runs_of_one_name_have_a_row_each(runs: Runs, tmp_path: Path) -> None:
    """From two folders, one of them named twice; the loss of a log that another framework wrote is found."""
    for folder in ("here", "there"):
        log = LogWriter(tmp_path / folder / "one", "v2")
        log.scalars(7, {"train_loss": 0.5})
        log.close()
    paths = [str(tmp_path / folder / "one") for folder in ("here", "there", "here")]
    done = compared(runs, *paths, "--json")
    assert [(row["run"], row["loss"]) for row in json.loads(done.stdout)] == [("one", 0.5), ("one", 0.5)]


@pytest.mark.parametrize("sources", [["lr=3"], ["a", "lr=3", "epochs=2"]])
def test_settings_that_change_nothing_are_an_error(runs: Runs, sources: list[str]) -> None:
    """Where all are runs, or nothing else is named."""
    runs.start("a", "--steps", "20")
    done = compared(runs, *sources)
    assert done.returncode == 1 and "There is nothing to apply lr=3" in done.stderr
    assert [run.name for run in runs.folder.iterdir()] == ["a"]
