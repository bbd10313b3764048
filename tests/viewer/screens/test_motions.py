"""Vim's motions move where the arrows do, and take no key from a screen that uses it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from driving import seen, text_of, until
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.reading import Reading
from tuimon.viewer.screens.run_list import RunList
from tuimon.viewer.widgets import ConsoleView, LayerTable


async def test_the_list_of_runs(runs_dir: Path, make_run: Callable[..., Path]) -> None:
    """By a row, and to either end; a single g waits for the second."""
    for number in range(5):
        make_run(f"run-{number}")
    async with TuimonApp(runs_dir).run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: any(len(runs.runs) == 5 for runs in pilot.app.screen.query(RunList)))
        runs = pilot.app.screen.query_one(RunList)
        for keys, row in (("jj", 2), ("k", 1), ("G", 4), ("g", 4), ("k", 3), ("g", 3), ("g", 0), ("jgjg", 2), ("g", 0)):
            await pilot.press(*keys)
            assert runs.cursor == row, keys


async def run_screen(pilot: Pilot[None]) -> None:
    await until(pilot, lambda: bool(pilot.app.screen.query(LayerTable)) and pilot.app.screen.query_one(LayerTable).count() > 1)


async def test_a_runs_screen_keeps_its_keys(runs_dir: Path, make_run: Callable[..., Path]) -> None:
    """`g` and `G` are the charts' everywhere, `k` the histogram's while the layers have the focus."""
    run = make_run("a")
    (run / "output.log").write_text("".join(f"line {number}\n" for number in range(200)))
    async with TuimonApp(runs_dir, run).run_test(size=(140, 45)) as pilot:
        await run_screen(pilot)
        layers = pilot.app.screen.query_one(LayerTable)
        layers.focus()
        await pilot.press("j")
        assert layers.cursor == 1
        await pilot.press("k")
        assert layers.cursor == 1
        assert layers.check_action("motion", ("g",)) is False and layers.check_action("motion", ("G",)) is False
        console = pilot.app.screen.query_one(ConsoleView)
        assert console.check_action("motion", ("k",)) and not console.check_action("motion", ("G",))


async def test_texts_scroll(runs_dir: Path) -> None:
    """The help, by lines and to its ends."""
    async with TuimonApp(runs_dir).run_test(size=(80, 24)) as pilot:
        await pilot.press("question_mark")
        await until(
            pilot, lambda: bool(pilot.app.screen.query(Reading)) and pilot.app.screen.query_one(Reading).max_scroll_y > 5
        )
        text = pilot.app.screen.query_one(Reading)
        await pilot.press("j")
        await until(pilot, lambda: text.scroll_offset.y == 1)
        await pilot.press("G")
        await until(pilot, lambda: text.scroll_offset.y == text.max_scroll_y)
        await pilot.press("g", "g")
        await until(pilot, lambda: text.scroll_offset.y == 0)


async def test_the_columns_of_the_list_are_chosen_and_remembered(
    runs_dir: Path, make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By their titles, or the names of settings; the next screen has them, too."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    make_run("a", spec={"optimizer": {"lr": 0.125}})
    async with TuimonApp(runs_dir).run_test(size=(100, 30)) as pilot:
        await seen(pilot, "speed")
        await pilot.press("C", *"lr,state", "enter")
        await seen(pilot, "0.125")
        assert "speed" not in text_of(pilot)
    async with TuimonApp(runs_dir).run_test(size=(100, 30)) as pilot:
        await seen(pilot, "0.125")
