"""The list of runs, driven by keys and the mouse."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from textual import events
from textual.pilot import Pilot

from driving import seen, text_of, until
from tuimon.launcher.runs import runs as listing
from tuimon.log.records import Ended
from tuimon.log.writer import LogWriter
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens import scanning
from tuimon.viewer.screens.compare import CompareScreen, FinalValues
from tuimon.viewer.screens.run import RunScreen
from tuimon.viewer.screens.run_list import RunList
from tuimon.viewer.screens.run_preview import RunPreview

SIZE = (120, 30)


async def listed(pilot: Pilot[None]) -> RunList:
    """Waits until the list shows its runs and has the focus."""
    await until(pilot, lambda: any(runs.runs and runs.has_focus for runs in pilot.app.screen.query(RunList)))
    return pilot.app.screen.query_one(RunList)


async def test_an_empty_folder_tells_what_to_do(runs_dir: Path) -> None:
    """Three ways to a first run, including the lines to add to a script."""
    async with TuimonApp(runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        await seen(pilot, "No runs in")
        shown = text_of(pilot)
        assert "Press  l  to launch" in shown
        assert "tuimon run digits-mlp" in shown
        assert "tuimon.watch(model, optimizer)" in shown


async def test_a_folder_that_is_a_file_is_said_to_be_one(tmp_path: Path) -> None:
    """It does not offer to launch a run there."""
    (tmp_path / "file").write_text("")
    async with TuimonApp(tmp_path / "file").run_test(size=(120, 24), notifications=True) as pilot:
        await seen(pilot, "is not a folder")
        assert "No runs" not in text_of(pilot)


async def test_live_runs_come_first_whatever_the_order(runs_dir: Path, make_run: Any) -> None:
    """Then the newest; every row shows its state in words."""
    make_run("live", how="")
    make_run("later", how="failed")
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        for _ in range(4):
            assert [run.name for run in (await listed(pilot)).runs] == ["live", "later"]
            await pilot.press("t")
        await seen(pilot, "● running")
        await seen(pilot, "✗ failed")


async def test_the_selected_run_is_previewed_where_there_is_room(runs_dir: Path, make_run: Any) -> None:
    """Its loss, and what it is made of; the chart follows the cursor. A low window is for the list."""
    make_run("a")
    (runs_dir / "b").mkdir()
    LogWriter(runs_dir / "b", "run").close()
    async with TuimonApp(runs_dir).run_test(size=(120, 40), notifications=True) as pilot:
        runs = await listed(pilot)
        preview = pilot.app.screen.query_one(RunPreview)
        chosen = [run.name for run in runs.runs].index("a")
        await pilot.press(*["down"] * chosen)
        await until(pilot, lambda: preview.border_title == "a")
        await seen(pilot, "train")
        await seen(pilot, "mlp · Adam")
        await pilot.press("up" if chosen else "down")
        await until(pilot, lambda: preview.border_title == "b")
        await seen(pilot, "No loss is logged yet.")
        await pilot.resize_terminal(120, 24)
        await until(pilot, lambda: not preview.display)


async def test_how_a_run_that_is_not_open_ends_is_told_wherever_one_is(
    runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once; of a run that was over before, nothing is told."""
    monkeypatch.setattr(scanning, "_GLANCE_EVERY_S", 0.05)
    make_run("a", how="")
    make_run("old", how="failed", reason="ValueError: old")
    other = make_run("b", how="")
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        runs = await listed(pilot)
        runs._go([run.name for run in runs.runs].index("a"))
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        writer = LogWriter(other, "run")
        writer.event(Ended("failed", "ValueError: x", 40), 40)
        writer.close()
        await until(pilot, lambda: [notice.message for notice in pilot.app._notifications] == ["b: failed: ValueError: x"])


async def test_enter_opens_the_run_under_the_cursor(runs_dir: Path, make_run: Any) -> None:
    """Escape returns to the list, with the cursor where it was."""
    make_run("a")
    make_run("b")
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        runs = await listed(pilot)
        await pilot.press("down")
        second = runs.runs[1].name
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        assert pilot.app.screen.run.name == second
        await pilot.press("escape")
        assert (await listed(pilot)).cursor == 1


async def test_a_double_click_opens_the_run(runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The mouse does the same as the keys."""
    monkeypatch.setattr(TuimonApp, "CLICK_CHAIN_TIME_THRESHOLD", 30.0)  # however slow the machine
    make_run("a")
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        await seen(pilot, "finished")
        await pilot.click(RunList, offset=(10, 1), times=2)
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))


async def test_the_filter_keeps_what_matches_as_it_is_typed(runs_dir: Path, make_run: Any) -> None:
    """By names, states and configuration; without a match the list stays and says so; escape shows all runs again."""
    make_run("wide")
    make_run("deep", how="failed", spec={"model": {"name": "cnn"}, "optimizer": {"lr": 0.02}})
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        runs = await listed(pilot)
        await pilot.press("slash", *"fail")
        await until(pilot, lambda: [run.name for run in runs.runs] == ["deep"])
        await seen(pilot, "runs  1 of 2")
        await pilot.press(*"xyz")
        await seen(pilot, "no run matches: all are shown")
        assert len(runs.runs) == 2
        for text in ("lr>=1e-2 model=cnn", "state:failed", "!wide", "deep | nothing"):
            await pilot.press("ctrl+u", *text)
            await until(pilot, lambda: [run.name for run in runs.runs] == ["deep"])
        await pilot.press("ctrl+u", *"/(")
        await seen(pilot, "Cannot read the regular expression")
        await pilot.press("ctrl+u", *"wide", "enter")
        await until(pilot, lambda: [run.name for run in runs.runs] == ["wide"] and runs.has_focus)
        await seen(pilot, "/ wide")
        await pilot.press("escape")
        await until(pilot, lambda: len(runs.runs) == 2)
        assert not pilot.app.screen.filter_text


async def test_keys_typed_ahead_of_a_filter_are_not_typed_into_it(runs_dir: Path, make_run: Any) -> None:
    """Where the machine lags, they come while the line still has the focus."""
    for name in ("a", "b"):
        make_run(name)
    async with TuimonApp(runs_dir).run_test(size=(120, 30)) as pilot:
        await until(pilot, lambda: pilot.app.screen.query(RunList))
        await pilot.press("slash")
        for key in ("b", "enter", "t", "space"):
            pilot.app.post_message(events.Key(key, key if len(key) == 1 else None))
        await seen(pilot, "sorted by name")
        home = pilot.app.screen
        await until(pilot, lambda: home.query_one(RunList).marked == {"b"})
        assert home.filter_text == "b"


async def test_a_thousand_runs_are_listed_and_filtered(runs_dir: Path, make_run: Any) -> None:
    """Filtering them takes a fraction of a second."""
    first = make_run("run-0000", steps=1)
    for number in range(1, 1000):
        folder = runs_dir / f"run-{number:04}"
        folder.mkdir()
        for file in first.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    async with TuimonApp(runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        runs = await listed(pilot)
        await seen(pilot, "1000 total")
        began = time.process_time()
        assert pilot.app.screen.filter_by("run-09?? !state:failed model=mlp") == "100 of 1000 runs"
        assert len(runs.runs) == 100
        assert time.process_time() - began < 3.0


async def test_marked_runs_are_overlaid(runs_dir: Path, make_run: Any) -> None:
    """Each has one curve and one row of the table; the key needs two marked runs."""
    make_run("one")
    make_run("two", steps=20)
    async with TuimonApp(runs_dir).run_test(size=(120, 40), notifications=True) as pilot:
        await listed(pilot)
        await pilot.press("space", "o")
        await seen(pilot, "Mark at least two runs")
        pilot.app.clear_notifications()  # it covers the table
        await pilot.press("space", "o")
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await until(pilot, lambda: all(run.store.step for run in pilot.app.screen.runs))
        await seen(pilot, "last value (best so far)")
        await seen(pilot, "*0.394")  # the lower training loss is marked
        assert "two" in text_of(pilot)


async def test_a_comparison_shows_what_differs(runs_dir: Path, make_run: Any) -> None:
    """Only the settings that differ, beside last and best values; v hides a run and keeps the other's colour."""
    for name, lr in (("one", 0.1), ("two", 0.02)):
        make_run(name, spec={"model": {"name": "mlp"}, "optimizer": {"lr": lr, "name": "adam"}})
    app = TuimonApp(runs_dir)
    app.compare_first([runs_dir / "one", runs_dir / "two"])
    async with app.run_test(size=(160, 45), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await until(pilot, lambda: text_of(pilot).count("0.394 (0.311)") == 2)
        head = next(row for row in text_of(pilot).splitlines() if "step" in row and "loss/train" in row)
        assert " lr " in head and "model" not in head and "optimizer" not in head
        final = pilot.app.screen.query_one(FinalValues)
        final.focus()
        await pilot.press("v")
        await seen(pilot, "one (hidden)")
        curves = pilot.app.screen.query_one("#overlay").plot.curves
        assert {curve.style for curve in curves if not curve.faint} == {"series-1"}
        await pilot.press("v")
        await until(pilot, lambda: "(hidden)" not in text_of(pilot))


async def test_a_run_is_called_by_its_name_whatever_is_in_it(runs_dir: Path, make_run: Any) -> None:
    """Brackets are not markup."""
    make_run("lr[a=1]")
    async with TuimonApp(runs_dir).run_test(size=(120, 40), notifications=True) as pilot:
        await listed(pilot)
        await pilot.press("s")
        await seen(pilot, "lr[a=1] is not training")


async def test_overlaid_runs_of_one_name_are_told_apart(runs_dir: Path, make_run: Any) -> None:
    """The folder is added to the name."""
    ours = make_run("one")
    theirs = runs_dir / "theirs" / "one"
    shutil.copytree(ours, theirs)
    app = TuimonApp(runs_dir)
    app.compare_first([ours, theirs])
    async with app.run_test(size=(120, 40), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await seen(pilot, "│┄┄ theirs/one")
        await seen(pilot, "│── one")


async def test_overlaid_logs_with_other_names_show_their_loss(runs_dir: Path, make_run: Any, make_foreign: Any) -> None:
    """Unless one of them has `loss/train`."""
    theirs, others = make_foreign("theirs", "Loss", "a"), make_foreign("others", "Loss")
    for runs, title in (([theirs, others], "Loss"), ([theirs, make_run("ours")], "loss/train")):
        app = TuimonApp(runs_dir)
        app.compare_first(runs)
        async with app.run_test(size=(120, 40)) as pilot:
            await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
            await until(pilot, lambda: all(run.store.step for run in pilot.app.screen.runs))
            await until(pilot, lambda title=title: pilot.app.screen.query_one("#overlay").title == title)


async def test_on_a_low_screen_overlaid_curves_have_room(runs_dir: Path, make_run: Any) -> None:
    """The small charts expand when focused; if there is almost no room, the big one takes all of it."""
    app = TuimonApp(runs_dir)
    app.compare_first([make_run("one"), make_run("two")])
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        big, small = (pilot.app.screen.query_one(name) for name in ("#overlay", "#overlays"))
        await until(pilot, lambda: big.size.height >= 10 and small.size.height == 1)
        await pilot.press("tab")
        await until(pilot, lambda: small.size.height >= 8)
        await pilot.resize_terminal(20, 5)
        await until(pilot, lambda: big.size.height >= 3 and "⣀" in text_of(pilot))


async def test_many_overlaid_runs_leave_room_for_their_curves(runs_dir: Path, make_run: Any) -> None:
    """The table scrolls instead."""
    paths = [make_run(f"run-{number}", steps=2) for number in range(30)]
    app = TuimonApp(runs_dir)
    app.compare_first(paths)
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        await until(pilot, lambda: isinstance(pilot.app.screen, CompareScreen))
        await seen(pilot, "run-0")
        assert pilot.app.screen.query_one("#overlay").size.height >= 3
        pilot.app.screen.query_one(FinalValues).focus()
        await pilot.press("end")
        await seen(pilot, "run-29")


async def test_a_key_pressed_before_the_list_is_there_is_not_typed(
    runs_dir: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a key must not go into the hidden filter."""
    make_run("one")
    pressed, list_runs = threading.Event(), listing.list_runs
    monkeypatch.setattr(listing, "list_runs", lambda folder: list_runs(folder) if pressed.wait(60) else [])
    async with TuimonApp(runs_dir).run_test(size=(80, 24)) as pilot:
        home = pilot.app.screen
        assert not home.query(RunList)
        await pilot.press("t")
        pressed.set()
        await until(pilot, lambda: home.query(RunList))
        await seen(pilot, "by name")
        assert not home.filter_text and home.focused is home.query_one(RunList)


async def test_the_list_follows_the_folder(runs_dir: Path, make_run: Any) -> None:
    """Runs appear and disappear without a key press."""
    make_run("first")
    async with TuimonApp(runs_dir).run_test(size=SIZE, notifications=True) as pilot:
        await listed(pilot)
        make_run("second")
        await seen(pilot, "second")
        shutil.rmtree(runs_dir / "first")
        await until(pilot, lambda: "first" not in text_of(pilot))


async def test_two_hundred_runs_are_listed(runs_dir: Path, make_run: Any) -> None:
    """One key goes to the last of them."""
    for number in range(200):
        make_run(f"run-{number:03}", steps=1)
    async with TuimonApp(runs_dir).run_test(size=(80, 24), notifications=True) as pilot:
        await listed(pilot)
        await pilot.press("end")
        await seen(pilot, "200 total")
        assert pilot.app.screen.query_one(RunList).cursor == 199
