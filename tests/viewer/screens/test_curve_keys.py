"""What the keys of a run's charts do together, and what is remembered of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.pilot import Pilot
from textual.screen import Screen

from driving import seen, text_of, until
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.curve_keys import place_in
from tuimon.viewer.screens.run import RunScreen
from tuimon.viewer.settings import load
from tuimon.viewer.widgets import ChartGrid, ConsoleView

TAGS = [f"{part}/{number:02}" for part in ("attn", "mlp") for number in range(20)]


async def opened(pilot: Pilot[None]) -> RunScreen:
    """Waits until the run's screen shows its charts."""

    def ready(screen: Screen[Any]) -> bool:
        return isinstance(screen, RunScreen) and screen.is_mounted and len(screen.run.store.series) > 1

    await until(pilot, lambda: ready(pilot.app.screen))
    screen = pilot.app.screen
    assert isinstance(screen, RunScreen)
    return screen


async def test_charts_are_filtered_and_it_is_remembered(runs_dir: Path, make_foreign: Any) -> None:
    """Also pins, folds and the grid, for the next start in this folder of runs."""
    run = make_foreign("theirs", "loss", *TAGS)
    async with TuimonApp(runs_dir, run).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        await pilot.press("slash", *"mlp /[0-4]$/")
        await seen(pilot, "10 of 40 charts")
        await seen(pilot, "mlp/14")
        await pilot.press("ctrl+u", *"nothing")
        await seen(pilot, "no chart matches: all are shown")
        await pilot.press("ctrl+u", *"/(")
        await seen(pilot, "Cannot read the regular expression")
        await pilot.press("ctrl+u", *"mlp", "enter")
        await until(pilot, lambda: screen.query_one(ChartGrid).has_focus)
        await pilot.press("asterisk")
        await pilot.press("G", *"2x3", "enter")
        await seen(pilot, "charts 1–6 of 20, / mlp")
        assert load().grid == "2x3"
    async with TuimonApp(runs_dir, run).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        await seen(pilot, "charts 1–6 of 20, / mlp")
        await seen(pilot, "* mlp/00")
        await pilot.press("slash", "escape")
        await seen(pilot, "of 40")


async def test_a_step_is_gone_to_by_typing_it(runs_dir: Path, make_run: Any) -> None:
    """The cursor is there in all charts, and gone with 0; a text that is no number is refused."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(160, 45), notifications=True) as pilot:
        screen = await opened(pilot)
        await pilot.press("colon", *"x", "enter")
        await seen(pilot, "'x' is not a number")
        await pilot.press("ctrl+u", *"20", "enter")
        await until(pilot, lambda: text_of(pilot).count("step 20 ─") >= 3)
        assert screen.big.plot.cursor == 20
        await pilot.press("0")
        await until(pilot, lambda: "step 20 ─" not in text_of(pilot))
        await pilot.press("x")
        await until(pilot, lambda: screen.query_one(ChartGrid).plot("lr").x_axis == "time")


async def test_lines_are_found_in_the_console(runs_dir: Path, make_run: Any) -> None:
    """N and N go through them; all lines stay."""
    run = make_run("r")
    (run / "output.log").write_text("".join(f"line {number} {'odd' if number % 2 else 'even'}\n" for number in range(200)))
    async with TuimonApp(runs_dir, run).run_test(size=(80, 24), notifications=True) as pilot:
        screen = await opened(pilot)
        await pilot.press("8")
        await seen(pilot, "line 199")
        await pilot.press("slash", *"odd /1.1/")
        await seen(pilot, "10 of 200 lines")
        await pilot.press("enter")
        console = screen.query_one(ConsoleView)
        await until(pilot, lambda: console.has_focus)
        await pilot.press("N")
        await seen(pilot, "line 181")
        await pilot.press("n", "n")
        await seen(pilot, "line 101")
        await pilot.press("slash", "escape", "n")
        await seen(pilot, "No other run is open")


async def test_layers_and_events_are_filtered(runs_dir: Path, make_run: Any) -> None:
    """By the names of the layers and the texts of the events."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(80, 24), notifications=True) as pilot:
        await opened(pilot)
        await pilot.press("2")
        await seen(pilot, "fc1")
        await pilot.press("slash", *"!fc1")
        await seen(pilot, "1 of 2 layers")
        await pilot.press("escape", "7")
        await seen(pilot, "training started")
        await pilot.press("slash", *"finished")
        await seen(pilot, "1 of 2 events")
        assert "training started" not in text_of(pilot)


@pytest.mark.parametrize(
    ("text", "x"), [("1200", 1200), ("1 200", 1200), ("1.5k", 1500), ("2M", 2e6), ("1:30", 90), ("1:00:30", 3630), ("2.5", 2.5)]
)
def test_a_place_is_read_in_its_forms(text: str, x: float) -> None:
    """As charts write them."""
    assert place_in(text) == x
