"""The list of runs as rows of text."""

from __future__ import annotations

import math
from pathlib import Path

from tuimon.launcher.runs.standing import DISK_FULL
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.summary import RunSummary
from tuimon.viewer.screens.run_table import Look, columns_for, detail, ordered, run_row


def test_a_diverged_run_does_not_look_like_one_without_a_validation() -> None:
    """NaN means the loss diverged; a dash means there is no value."""
    run = RunSummary("a", Path("a"), Status("finished"), loss=math.nan)
    cells = {span.text.strip(): span.style for span in run_row(run, columns_for(120, [run]), Look(0.0))}
    assert cells["nan"] == "bad" and cells["–"] == "dim"


def test_a_run_on_a_full_disk_is_marked() -> None:
    """As a damaged log is; the line of details says which."""
    full = RunSummary("a", Path("a"), Status("running", DISK_FULL))
    for run, mark in ((full, "!"), (RunSummary("b", Path("b"), Status("running")), " ")):
        assert run_row(run, columns_for(120, [run]), Look(0.0))[2].text == mark
    assert DISK_FULL in detail(full)


def test_names_are_ordered_as_people_count() -> None:
    """run-2 comes before run-10."""
    runs = [RunSummary(name, Path(name), Status("finished")) for name in ("run-10", "run-2", "Run-1", "other")]
    assert [run.name for run in ordered(runs, "name")] == ["other", "Run-1", "run-2", "run-10"]


def test_where_no_run_validates_the_training_loss_stays() -> None:
    """Otherwise an 80-column list would show a column of dashes and no loss."""
    trained = RunSummary("a", Path("a"), Status("finished"), loss=1.0)
    validated = RunSummary("b", Path("b"), Status("finished"), loss=1.0, val_loss=2.0)
    for runs, titles in (([trained], {"train"}), ([trained, validated], {"val"})):
        assert {"train", "val"} & {column.title for column in columns_for(79, runs)} == titles
