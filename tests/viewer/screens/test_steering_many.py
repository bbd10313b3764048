"""Steering several runs at once from Home, with real runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from driving import seen, text_of, until
from launching import Runs, runs_in, status
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.home import HomeScreen
from tuimon.viewer.screens.run_list import RunList


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Runs]:
    """Two runs that train."""
    for runs in runs_in(tmp_path / "runs"):
        runs.start("a")
        runs.start("b")
        yield runs


async def test_a_key_acts_on_all_marked_runs(live: Runs) -> None:
    """It says to which, does nothing before enter, and shows each answer."""
    async with TuimonApp(live.folder).run_test(size=(120, 36), notifications=True) as pilot:
        await until(pilot, lambda: len(pilot.app.screen.query(RunList)) and len(pilot.app.screen.steered()) == 1)
        await pilot.press("space", "space")
        await until(pilot, lambda: len(pilot.app.screen.steered()) == 2)
        await pilot.press("h")
        await seen(pilot, "Halve the learning rate: these 2 runs?")
        await pilot.press("escape", "h")
        await seen(pilot, "these 2 runs?")
        assert "applied" not in text_of(pilot)
        await pilot.press("enter")
        await until(pilot, lambda: text_of(pilot).count("lr_scale 1 → 0.5") == 2)
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, HomeScreen))
        await pilot.press("e", *"lr_scal=2", "enter", "enter")
        await until(pilot, lambda: text_of(pilot).count("! ") >= 2 and "lr_scal" in text_of(pilot))


async def test_marked_runs_are_stopped_together(live: Runs) -> None:
    """All of them, after the question."""
    async with TuimonApp(live.folder).run_test(size=(120, 36), notifications=True) as pilot:
        await until(pilot, lambda: len(pilot.app.screen.query(RunList)) and len(pilot.app.screen.steered()) == 1)
        await pilot.press("space", "space", "s")
        await seen(pilot, "Stop these 2 runs?")
        await pilot.press("enter")
        await until(pilot, lambda: [status(live.folder / name) for name in "ab"] == ["stopped"] * 2)


async def test_only_the_best_is_kept(runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one with the lowest validation loss; a run that is over is none of them."""
    from tuimon.viewer.screens import many

    stopped: list[str] = []
    monkeypatch.setattr(many, "stopping", lambda run: stopped.append(run.name) or ("stopped", True))
    make_run("worse", how="", steps=9)
    make_run("best", how="", steps=40)
    make_run("over")
    async with TuimonApp(runs_dir).run_test(size=(120, 36), notifications=True) as pilot:
        await until(pilot, lambda: len(pilot.app.screen.query(RunList)) and pilot.app.screen.query_one(RunList).has_focus)
        await pilot.press("S")
        await seen(pilot, "Mark at least two runs")
        await pilot.press("space", "space", "space", "S")
        await seen(pilot, "Keep best and stop this run?")
        await pilot.press("enter")
        await until(pilot, lambda: stopped == ["worse"])
        await seen(pilot, "✓ worse  stopped")


async def test_without_a_live_run_the_keys_say_so(runs_dir: Path, make_run: Any) -> None:
    """And the footer does not offer them."""
    make_run("over")
    async with TuimonApp(runs_dir).run_test(size=(120, 36), notifications=True) as pilot:
        await seen(pilot, "✓ finished")
        assert "halve LR" not in text_of(pilot)
        await pilot.press("h")
        await seen(pilot, "over is not training: it is finished")
