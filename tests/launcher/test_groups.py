"""Runs that differ in their seed alone are one row, with the mean and the spread of their losses."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from tuimon.base.process import this_process
from tuimon.cli.main import main
from tuimon.launcher.runs.groups import groups, spread
from tuimon.launcher.runs.status import Status
from tuimon.launcher.runs.summary import RunSummary
from tuimon.log.records import RunStarted
from tuimon.log.writer import LogWriter


def run(name: str, state: str = "finished", **config: object) -> RunSummary:
    status = Status(state)  # type: ignore[arg-type]
    return RunSummary(name, Path(name), status, config={key.replace("_", "."): value for key, value in config.items()})


def test_runs_are_together_if_only_their_seeds_differ() -> None:
    """At the place of the first. Repetitions of one seed alone, and runs of which nothing is known, stay apart."""
    listed = [
        run("a-01", optimizer_lr=0.1, training_seed=0),
        run("b", "running", optimizer_lr=0.2, training_seed=0),
        run("a-02", "running", optimizer_lr=0.1, training_seed=1),
        run("b", optimizer_lr=0.2, training_seed=0),
        run("c"),
        run("c-2"),
        run("a-03", optimizer_lr=0.1, training_seed=1),
    ]
    found = groups(listed)
    assert [(group.name, len(group.runs), group.seeds) for group in found] == [
        ("a-0*", 3, 2),
        ("b", 1, 1),
        ("b", 1, 1),
        ("c", 1, 1),
        ("c-2", 1, 1),
    ]
    assert found[0].states == "2 finished, 1 running" and found[1].states == "running"


def test_what_is_not_finite_has_no_part_in_the_spread() -> None:
    """And says so by the count; a single run has no spread."""
    some = spread([1.0, 3.0, math.nan, None])
    assert some is not None and (some.mean, some.count) == (2.0, 2) and some.std == pytest.approx(math.sqrt(2))
    alone = spread([1.0])
    assert alone is not None and alone.mean == 1.0 and math.isnan(alone.std)
    assert spread([None, math.inf]) is None


def test_the_list_has_a_row_for_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also as JSON, with the names of all."""
    for seed, loss in enumerate((0.1, 0.2, 0.3)):
        writer = LogWriter(tmp_path / f"a-{seed}", "run")
        writer.event(RunStarted("a", this_process(), config={"lr": 0.1, "seed": seed}))
        writer.scalars(10, {"loss/train": loss, "loss/val": 2 * loss})
        writer.close()
    assert main(["ls", "--seeds", "--runs-dir", str(tmp_path)]) == 0
    head, row = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["RUNS", "SEEDS"]
    assert row.startswith("a-*   3      3 ") and "0.200 ± 0.100  0.400 ± 0.200" in row
    assert main(["ls", "--seeds", "--json", "lr=0.1", "--runs-dir", str(tmp_path)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (
        told["kind"] == "group" and sorted(told["runs"]) == ["a-0", "a-1", "a-2"] and told["val_loss_std"] == pytest.approx(0.2)
    )


def test_the_columns_of_the_list_can_be_chosen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In their order, settings by name; one that no run has is an error that names the nearest."""
    writer = LogWriter(tmp_path / "a", "run")
    writer.event(RunStarted("a", this_process(), config={"lr": 0.1, "seed": 2}))
    writer.scalars(10, {"loss/train": 0.5})
    writer.close()
    assert main(["ls", "--columns", "lr,run,loss,seed", "--runs-dir", str(tmp_path)]) == 0
    assert [line.split() for line in capsys.readouterr().out.splitlines()] == [
        ["LR", "RUN", "LOSS", "SEED"],
        ["0.1", "a", "0.500", "2"],
    ]
    assert main(["ls", "--columns", "lrr", "--runs-dir", str(tmp_path)]) == 1
    assert "No run has 'lrr'; did you mean lr?" in capsys.readouterr().err
