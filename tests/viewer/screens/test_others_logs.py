"""Logs that other programs wrote, on the screen."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from driving import seen, text_of, until
from event_folders import T0, a_tail_of_zeros, kinds_of_scalars, one_flipped_bit, runs_within_a_run, scalar, tensor, write
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.run import RunScreen
from tuimon.viewer.widgets import Chart

SIZE = (160, 45)


async def test_home_lists_runs_within_runs_by_their_names(runs_dir: Path) -> None:
    """And opens them."""
    runs_within_a_run(runs_dir / "nested")
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        for name in ("nested/train", "nested/validation", "nested/fold/1/2/3/4/5/6/7"):
            await seen(pilot, name)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        assert isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.run.name.startswith("nested")


@pytest.mark.parametrize(
    ("make", "told"), [(a_tail_of_zeros, "4 096 bytes cannot be read"), (one_flipped_bit, "is left out (")]
)
async def test_a_damaged_log_stays_marked(runs_dir: Path, make: Callable[[Path], None], told: str) -> None:
    """In Home, with where and how much; in the run's header, with the same among its events. No notice fades."""
    make(runs_dir / "bad")
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        await seen(pilot, told)
        (row,) = [line for line in text_of(pilot).splitlines() if "? unknown" in line]
        assert "!" in row.partition("unknown")[0]
        await pilot.press("enter")
        await seen(pilot, "! log damaged")
        await seen(pilot, "! events.out.tfevents")
        assert not pilot.app._notifications


async def test_what_cannot_be_shown_is_said_among_the_events(runs_dir: Path) -> None:
    """Once for all of a kind; a run of which all can be shown says nothing."""
    vectors = [tensor(step, f"vector/{tag}", 1, (3,), float_val=[1.0, 2.0, 3.0]) for step in range(20) for tag in range(9)]
    write(runs_dir / "vectors", [*vectors, scalar(20, 1.0)])
    kinds_of_scalars(runs_dir / "kinds")
    for run, said in (("vectors", True), ("kinds", False)):
        async with TuimonApp(runs_dir, runs_dir / run).run_test(size=SIZE, notifications=True) as pilot:
            await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.run.store.series)
            if said:
                await seen(pilot, "! not shown: a tensor of shape [3]")
            assert text_of(pilot).count("not shown") == said


CLOCKS = {
    "nan": [T0, T0 + 1, math.nan],
    "inf": [T0, math.inf, T0 + 1],
    "zero": [0.0, T0, T0 + 1],
    "far": [T0, T0 + 1, 1e15],
    "huge": [T0, 1e300, T0 + 1],
    "back": [T0, T0 - 3600, T0 + 1],
    "none": [math.nan] * 3,
}


@pytest.mark.parametrize("walls", CLOCKS.values(), ids=CLOCKS)
async def test_a_time_axis_ends_no_screen(runs_dir: Path, walls: list[float]) -> None:
    """Home, the run's screen and every chart's keys work, whatever a clock said."""
    write(runs_dir / "clock", [scalar(step, 1.0 + step, wall=wall) for step, wall in enumerate(walls)])
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        await seen(pilot, "clock")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen) and pilot.app.screen.run.store.series)
        chart = pilot.app.screen.query_one("#loss", Chart)
        chart.focus()
        await until(pilot, lambda: chart.has_focus)
        await pilot.press("x", "plus", "left", "shift+left", "minus", "0")
        assert chart.plot.x_axis == "time" and isinstance(pilot.app.screen, RunScreen) and pilot.app.is_running
        assert "nan" not in text_of(pilot).lower().replace("nan loss", "")
