"""Runs that differ in their seed alone as one, on Home and in a comparison."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from driving import seen, text_of, until
from tuimon.base.process import this_process
from tuimon.log.records import Ended, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.compare import CompareScreen, FinalValues
from tuimon.viewer.screens.run_list import RunList


@pytest.fixture
def seeds(runs_dir: Path) -> Path:
    """Three seeds of one rate, of which one ends with NaN, and a run of another."""
    told = (("a-1", 0.1, 1, 1.0), ("a-2", 0.1, 2, 2.0), ("a-3", 0.1, 3, math.nan), ("b", 0.5, 1, 0.5))
    for name, rate, seed, loss in told:
        writer = LogWriter(runs_dir / name, "run")
        config = {"optimizer.lr": rate, "training.seed": seed}
        writer.event(RunStarted(name, this_process(), model="MLP", optimizer="Adam", seed=seed, config=config))
        for step in range(1, 21):
            writer.scalars(step, {"loss/train": 3.0 if step < 10 else loss, "loss/val": 4.0 + seed})
        writer.event(Ended("finished", step=20))
        writer.close()
    return runs_dir


async def test_home_folds_them_into_rows_with_mean_and_spread(seeds: Path) -> None:
    """A row stands for all of its runs: marking it marks them, and opening it compares them."""
    async with TuimonApp(seeds).run_test(size=(120, 30), notifications=True) as pilot:
        await until(pilot, lambda: pilot.app.screen.query(RunList) and len(pilot.app.screen.query_one(RunList).runs) == 4)
        await pilot.press("t", "home", "a")
        await seen(pilot, "seeds folded")
        listed = pilot.app.screen.query_one(RunList)
        assert [run.name for run in listed.runs] == ["a-* (3 seeds)", "b"]
        text = text_of(pilot)
        assert "1.50 ± 0.707 2/3" in text and "6.00 ± 1.00" in text and "4 total" in text and "3 finished" in text
        await pilot.press("space")
        assert listed.marked == {"a-1", "a-2", "a-3"} and "◆" in text_of(pilot)
        await pilot.press("space", "up", "R")
        await seen(pilot, "a-* (3 seeds) is several runs: press a to list each")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await seen(pilot, "compare  3 runs as 1, by all but the seed")
        await pilot.press("escape", "a")
        await until(pilot, lambda: [run.name for run in listed.runs] == ["a-1", "a-2", "a-3", "b"])
        await pilot.press("slash", "b", "enter", "a")
        notes = pilot.app._notifications
        await until(pilot, lambda: "No two runs differ in their seed alone." in [note.message for note in notes])


async def test_a_comparison_folds_them_and_back(seeds: Path) -> None:
    """Into one curve and one row; the best is told among what all seeds came to."""
    async with TuimonApp(seeds).run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: pilot.app.screen.query(RunList) and len(pilot.app.screen.query_one(RunList).runs) == 4)
        await pilot.press(*["space"] * 4, "o")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await seen(pilot, "compare  4 runs")
        table = pilot.app.screen.query_one(FinalValues)
        await until(pilot, lambda: table.count() == 4 and "*0.500" in text_of(pilot))
        await pilot.press("a")
        await seen(pilot, "compare  4 runs as 2, by all but the seed")
        text = text_of(pilot)
        assert table.count() == 2 and "and 2 more seeds" in text and "mean ± standard deviation" in text
        assert "1.50 ± 0.707 2/3" in text and "*0.500" in text and "6.00 ± 1.00" in text
        assert len([curve for curve in pilot.app.screen.big.plot.curves if not curve.faint]) == 2
        await pilot.press("a")
        await until(pilot, lambda: table.count() == 4 and "as 2" not in text_of(pilot))
