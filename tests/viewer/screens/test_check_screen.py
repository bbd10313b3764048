"""Looking at a spec from the Launch screen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from driving import seen, text_of, until
from tuimon.base.errors import TuimonError
from tuimon.launcher.start.checking import Checking
from tuimon.training.report import Line
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.screens.launch import LaunchScreen

LINES = [
    Line("first loss", "pass", "2.31, chance 2.30", "chance is ln 10"),
    Line("symmetry", "fail", "257 of 266", "Units are copies of each other: start them at random."),
    Line("learning rate", "pass", "0.0001", "", tuple((10.0**-n, 2.0) for n in range(6, 0, -1)), ((1e-3, "suggested"),)),
]


def found(_: Checking) -> Iterator[Line]:
    """A report that is ready at once."""
    yield from LINES


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_the_report_is_shown_and_summed_up(
    runs_dir: Path, monkeypatch: pytest.MonkeyPatch, size: tuple[int, int]
) -> None:
    """The last rows are visible, home shows the first ones, and escape returns to the form."""
    monkeypatch.setattr(Checking, "lines", found)
    async with TuimonApp(runs_dir, launch=True).run_test(size=size) as pilot:
        await seen(pilot, "Check (ctrl+t)")
        await pilot.press("ctrl+t")
        await seen(pilot, "2 pass, 1 fail. Fix the failures first.")
        assert "loss by learning rate" in text_of(pilot) and "suggested" in text_of(pilot)
        await pilot.press("home")
        await seen(pilot, "fail  symmetry")
        await pilot.press("escape")
        await until(pilot, lambda: isinstance(pilot.app.screen, LaunchScreen))


async def test_a_check_that_cannot_be_made_is_told(runs_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialog shows the error and what to try."""

    def refuse(_: Checking) -> Iterator[Line]:
        raise TuimonError("torch is not installed", "Install it.")

    monkeypatch.setattr(Checking, "lines", refuse)
    async with TuimonApp(runs_dir, launch=True).run_test(size=(80, 24)) as pilot:
        await seen(pilot, "Check (ctrl+t)")
        await pilot.press("ctrl+t")
        await seen(pilot, "torch is not installed")


async def test_leaving_ends_the_real_process(runs_dir: Path) -> None:
    """A real check process delivers its first lines, then ends when the user leaves."""
    earlier = psutil.Process().children()  # of other tests
    async with TuimonApp(runs_dir, launch=True).run_test(size=(100, 36)) as pilot:
        await seen(pilot, "Check (ctrl+t)")
        await pilot.press("ctrl+t")
        await seen(pilot, "pass  inputs", timeout=100)
        found = [child for child in psutil.Process().children() if child not in earlier]
        (child,) = (one for one in found if "tuimon.training" in " ".join(one.cmdline()))
        await pilot.press("escape")
        await until(pilot, lambda: not child.is_running())
