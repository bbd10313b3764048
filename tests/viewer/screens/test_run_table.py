"""The list of runs as rows of text."""

from __future__ import annotations

import math
from pathlib import Path

from tuimon.launcher.runs.standing import DISK_FULL
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.summary import RunSummary
from tuimon.viewer.screens.run_table import Look, columns_for, detail, ordered, run_row
from tuimon.viewer.settings import columns_of


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


def test_columns_are_those_that_were_chosen() -> None:
    """In their order, settings by the last part of their key, and the name in any case; short of room, the last goes first."""
    run = RunSummary("a", Path("a"), Status("finished"), val_loss=0.25, config={"optimizer.lr": 0.01, "training.seed": 3})
    columns = columns_for(120, [run], ("val", "lr", "seed", "nothing"))
    assert [column.title for column in columns] == ["name", "val", "lr", "seed", "nothing"]
    row = run_row(run, columns, Look(0.0))
    texts = [span.text.strip() for span in row if span.text.strip()]
    assert texts == ["a", "0.250", "0.01", "3", "–"]
    assert [column.title for column in columns_for(30, [run], ("val", "name", "lr", "seed"))] == ["val", "name"]


def test_the_words_of_the_setting_are_titles() -> None:
    """Each once; `auto` is the usual columns."""
    assert columns_of("name, Val,lr,val") == ("name", "val", "lr") and columns_of("auto") == columns_of("") == ()
