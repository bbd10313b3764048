"""An error in one panel, row, run or key is shown there, and everything else keeps working."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from textual.pilot import Pilot

from driving import seen, text_of, until
from tuimon.log import wire
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens import run_list
from tuimon.viewer.screens.home import HomeScreen
from tuimon.viewer.widgets import ChartGrid, LayerTable, RunHeader

MakeRun = Callable[..., Path]


def broken(*_: object, **__: object) -> object:
    """Work that fails."""
    raise ZeroDivisionError("on purpose")


async def test_a_panel_that_cannot_be_drawn_says_so_and_the_others_are_shown(
    make_run: MakeRun, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, caught: list[Exception]
) -> None:
    """Whether reading or drawing fails; once it works again, so does the panel."""
    with monkeypatch.context() as broken_for_now:
        broken_for_now.setattr(LayerTable, "take", broken)
        broken_for_now.setattr(ChartGrid, "set_runs", broken)
        broken_for_now.setattr(RunHeader, "draw", broken)
        app = TuimonApp(runs_dir, open_run=make_run("a"))
        async with app.run_test(size=(160, 48)) as pilot:
            await seen(pilot, "loss")
            await seen(pilot, "Could not draw this panel: ZeroDivisionError: on purpose")
            await until(pilot, lambda: text_of(pilot).count("Could not show this: ZeroDivisionError") == 2)
            assert caught and {type(error) for error in caught} == {ZeroDivisionError}
            broken_for_now.undo()
            await pilot.resize_terminal(162, 48)
            await seen(pilot, "fc1")
            await until(pilot, lambda: "on purpose" not in text_of(pilot))


async def test_one_run_that_cannot_be_shown_costs_the_list_one_row(
    make_run: MakeRun, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, caught: list[Exception]
) -> None:
    """Its row says why."""
    for name in ("good", "odd"):
        make_run(name)
    row = run_list.run_row
    monkeypatch.setattr(run_list, "run_row", lambda run, *rest: (broken if run.name == "odd" else row)(run, *rest))
    async with TuimonApp(runs_dir).run_test(size=(120, 30)) as pilot:
        await seen(pilot, "Could not show this: ZeroDivisionError")
        assert "good" in text_of(pilot) and caught


async def test_a_key_whose_action_fails_says_so_and_the_next_key_counts(
    make_run: MakeRun, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, caught: list[Exception]
) -> None:
    """The error is shown once, however often the key is pressed."""
    make_run("a")
    monkeypatch.setattr(HomeScreen, "action_sort", broken)
    async with TuimonApp(runs_dir).run_test(size=(120, 30)) as pilot:
        await seen(pilot, "finished")
        key = _key_of(pilot, "sort")
        await pilot.press(key, key)
        await said(pilot, "That did not work: ZeroDivisionError")
        assert len(pilot.app._notifications) == 1
        await pilot.press("question_mark")
        await seen(pilot, "Keys in the list of runs")
        assert caught


async def test_a_scan_that_fails_is_said_and_made_again(
    make_run: MakeRun, runs_dir: Path, monkeypatch: pytest.MonkeyPatch, caught: list[Exception]
) -> None:
    """The list appears with the next scan."""
    from tuimon.launcher.runs import runs
    from tuimon.viewer.screens import scanning

    make_run("a")
    monkeypatch.setattr(scanning, "_STILL_EVERY_S", 0.01)
    found = iter([broken])
    list_runs = runs.list_runs
    monkeypatch.setattr(runs, "list_runs", lambda folder: next(found, list_runs)(folder))
    async with TuimonApp(runs_dir).run_test(size=(120, 30)) as pilot:
        await said(pilot, "Something went wrong: ZeroDivisionError")
        await seen(pilot, "finished")
        assert caught


async def test_a_run_with_an_event_that_cannot_be_read_is_shown_with_the_word_of_it(make_run: MakeRun, runs_dir: Path) -> None:
    """One event nested deeper than Python recurses, in the middle of a real log."""
    run = make_run("deep", how="")
    (log,) = run.iterdir()
    deep = '{"kind":"notice","text":' + "[" * 50_000 + "]" * 50_000 + "}"
    with log.open("ab") as file:
        file.write(wire.frame(wire.event(1.0, 40, wire.text_value("tuimon/event", deep))))
        file.write(wire.frame(wire.event(1.0, 41, wire.scalar_value("loss/train", 0.125))))
    async with TuimonApp(runs_dir, open_run=run).run_test(size=(120, 36)) as pilot:
        await seen(pilot, "! log damaged")
        (damage,) = pilot.app.opened[run].store.damage
        assert "nested deeper than 64" in str(damage)
        await seen(pilot, "running")
        assert pilot.app.opened[run].store["loss/train"].last == 0.125


async def said(pilot: Pilot[None], text: str) -> None:
    """Waits for a notice with this text, wherever its lines wrap."""
    await until(pilot, lambda: any(text in notice.message for notice in pilot.app._notifications))


def _key_of(pilot: Pilot[None], action: str) -> str:
    """The key bound to an action on the front screen."""
    return next(key for key, bound in pilot.app.screen.active_bindings.items() if bound.binding.action == action)
