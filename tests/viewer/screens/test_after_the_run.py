"""A run that is over: why it failed, what it was, and how it is started again."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from driving import seen, text_of, until
from tuimon.base.errors import TuimonError
from tuimon.launcher.start import fork as forking
from tuimon.launcher.start import replay as replaying
from tuimon.launcher.start import resume as resuming
from tuimon.launcher.start.point import Point
from tuimon.spec.loading import load_spec, save_spec
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.base import why_not_again
from tuimon.viewer.screens.dialogs import Prompt
from tuimon.viewer.screens.launch import LaunchScreen
from tuimon.viewer.screens.run import RunScreen
from tuimon.viewer.widgets import FailurePanel

OUTPUT = """training
Traceback (most recent call last):
  File "/home/me/train.py", line 31, in <module>
    step(batch)
  File "/home/me/train.py", line 12, in step
    loss.backward()
RuntimeError: bad batch
"""


@pytest.fixture
def failed(make_run: Any) -> Path:
    """A run whose script raised an error."""
    run: Path = make_run("broken", how="failed", reason="RuntimeError: bad batch")
    (run / "output.log").write_text(OUTPUT)
    return run


@pytest.fixture
def resumable(make_run: Any) -> Path:
    """A run of a preset that stopped, with a checkpoint."""
    run: Path = make_run("stopped", how="stopped")
    save_spec(load_spec("digits-mlp", ["lr=0.02"]), run)
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.pt").touch()
    return run


@pytest.mark.parametrize("size", [(80, 24), (80, 50), (120, 36), (160, 45), (200, 15)])
async def test_a_failed_run_shows_its_failure_first(runs_dir: Path, failed: Path, size: tuple[int, int]) -> None:
    """The error, its last frames, how far it had come; and nothing says that nothing was found wrong."""
    async with TuimonApp(runs_dir, failed).run_test(size=size, notifications=True) as pilot:
        for text in ("!! RuntimeError: bad batch", "train.py:12 in step", "last finite loss 0.311", "L launches it again"):
            await seen(pilot, text)
        shown = text_of(pilot)
        assert "No problems found" not in shown and "findings  none" not in shown


async def test_why_it_failed_takes_no_more_rows_than_it_needs(runs_dir: Path, failed: Path) -> None:
    """The rest is the charts'."""
    async with TuimonApp(runs_dir, failed).run_test(size=(120, 36)) as pilot:
        await seen(pilot, "L launches it again")
        panel = pilot.app.screen.query_one(FailurePanel)
        await until(pilot, lambda: panel.size.height == panel.count() == 5)


async def test_a_run_whose_folder_is_gone_stays_on_the_screen(runs_dir: Path, resumable: Path) -> None:
    """As far as it was read; what needs the folder says that it is gone."""
    async with TuimonApp(runs_dir, resumable).run_test(size=(120, 36), notifications=True) as pilot:
        await seen(pilot, "■ stopped")
        shutil.rmtree(resumable)
        await pilot.press("R")
        await seen(pilot, "its folder is gone")
        status = pilot.app.screen.run.status
        assert all("gone" in why_not_again(action, resumable, status, True) for action in ("replay", "fork", "launch_like"))
        assert isinstance(pilot.app.screen, RunScreen) and "epoch" in text_of(pilot)


async def test_a_panel_of_one_line_says_what_it_has(runs_dir: Path, make_run: Any) -> None:
    """On a very low screen, where its table has no room."""
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(40, 10)) as pilot:
        await seen(pilot, "✓ finished")
        await pilot.press("2")
        await seen(pilot, "layers  fc1")


async def test_the_footer_offers_what_can_be_done_after_the_end(runs_dir: Path, resumable: Path) -> None:
    """Instead of keys that steer."""
    async with TuimonApp(runs_dir, resumable).run_test(size=(120, 36), notifications=True) as pilot:
        for text in ("R resume", "P replay", "L launch like"):
            await seen(pilot, text)
        assert "halve LR" not in text_of(pilot)
        titles = [command.title for command in pilot.app.get_system_commands(pilot.app.screen)]
        assert {"Resume a run that is over, as it was or for longer (R)"} <= set(titles)


async def test_a_run_is_resumed_for_as_long_as_asked(runs_dir: Path, resumable: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings are checked as they are typed; an empty line resumes it as it was planned."""
    asked: list[list[str]] = []
    monkeypatch.setattr(resuming, "resume_run", lambda run, device, settings, trusted: asked.append(settings) or run)
    async with TuimonApp(runs_dir, resumable).run_test(size=(120, 36), notifications=True) as pilot:
        await seen(pilot, "R resume")
        await pilot.press("R")
        await seen(pilot, "How long should it train?")
        await pilot.press(*"40", "enter")
        await seen(pilot, "'40' is not key=value")
        await pilot.press("ctrl+u", *"epochs=40", "enter")
        await until(pilot, lambda: asked == [["epochs=40"]])
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        await pilot.press("R")
        await until(pilot, lambda: isinstance(pilot.app.screen, Prompt))
        await pilot.press("enter")
        await until(pilot, lambda: asked == [["epochs=40"], []])


async def test_a_run_is_forked_with_what_is_different(
    runs_dir: Path, resumable: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Live or not; a program's run says why it cannot be."""
    asked: list[list[str]] = []

    def fork(run: Path, at: None, settings: list[str], **_: object) -> forking.Forks:
        asked.append(settings)
        return forking.Forks(Point(1, run), run)

    monkeypatch.setattr(forking, "fork", fork)
    async with TuimonApp(runs_dir, resumable).run_test(size=(120, 36), notifications=True) as pilot:
        await seen(pilot, "F fork")
        await pilot.press("F")
        await seen(pilot, "What is different")
        await pilot.press(*"lr_scale=*0.5", "enter")
        await until(pilot, lambda: asked == [["lr_scale=*0.5"]])
        pilot.app.open_run(make_run("r"))
        await seen(pilot, "✓ finished")
        await pilot.press("F")
        await seen(pilot, "r cannot be forked")


async def test_a_run_that_cannot_be_started_again_says_why(
    runs_dir: Path, resumable: Path, make_run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In place, or in a dialog if only trying tells."""

    def fail(*_: object, **__: object) -> Path:
        raise TuimonError("Cannot replay stopped: its file has changed since.")

    monkeypatch.setattr(replaying, "replay", fail)
    async with TuimonApp(runs_dir, make_run("r")).run_test(size=(120, 36), notifications=True) as pilot:
        await seen(pilot, "✓ finished")
        await pilot.press("R")
        await seen(pilot, "r cannot be resumed")
        pilot.app.open_run(resumable)
        await seen(pilot, "■ stopped")
        await pilot.press("P")
        await seen(pilot, "with the same interventions")
        await pilot.press("enter")
        await seen(pilot, "its file has changed since")


async def test_the_form_is_filled_with_what_a_run_trained(runs_dir: Path, resumable: Path) -> None:
    """From Home, too."""
    async with TuimonApp(runs_dir).run_test(size=(120, 36), notifications=True) as pilot:
        await seen(pilot, "■ stopped")
        await pilot.press("L")
        await until(pilot, lambda: isinstance(pilot.app.screen, LaunchScreen))
        form = pilot.app.screen
        assert form.texts["optimizer.lr"] == "0.02" and form.preset == str(resumable / "spec.toml")
        await seen(pilot, "0.02")


async def test_what_a_run_is_can_be_read(runs_dir: Path, make_run: Any) -> None:
    """Its configuration, what differs from the preset marked, its device and folder; on Home and on the run."""
    run = make_run("r", spec=_spec("digits-mlp", "lr=0.02"))
    async with TuimonApp(runs_dir).run_test(size=(120, 50), notifications=True) as pilot:
        await seen(pilot, "✓ finished")
        await pilot.press("i")
        await seen(pilot, "compared with the preset digits-mlp")
        rows = [row for row in text_of(pilot).splitlines() if "preset: " in row]
        assert len(rows) == 1 and "* optimizer.lr" in rows[0] and "0.02" in rows[0]
        for text in (str(run), "MLP", "not set"):
            await seen(pilot, text)
        await pilot.press("escape", "enter")
        await until(pilot, lambda: isinstance(pilot.app.screen, RunScreen))
        await pilot.press("i")
        await seen(pilot, "* optimizer.lr")


def _spec(preset: str, *settings: str) -> dict[str, Any]:
    import msgspec

    spec: dict[str, Any] = msgspec.to_builtins(load_spec(preset, settings))
    return spec
