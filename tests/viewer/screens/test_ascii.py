"""What the screens show where the terminal can only show ASCII."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from textual.command import CommandPalette
from textual.pilot import Pilot
from textual.widgets import Input, Select

from driving import seen, text_of, until
from tuimon.base.errors import TuimonError
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.plain_text import to_ascii
from tuimon.viewer.screens.launch import LaunchScreen
from tuimon.viewer.screens.launch_field import FieldRow


def signs(pilot: Pilot[None]) -> str:
    """The characters on the screen that are not ASCII."""
    return "".join(sorted({letter for letter in text_of(pilot) if ord(letter) > 127}))


async def launch(pilot: Pilot[None]) -> LaunchScreen:
    """Waits for the form."""
    await until(pilot, lambda: isinstance(pilot.app.screen, LaunchScreen) and pilot.app.screen.wanted)
    assert isinstance(pilot.app.screen, LaunchScreen)
    return pilot.app.screen


@pytest.mark.parametrize("size", [(80, 24), (160, 45)])
async def test_the_form_is_ascii(runs_dir: Path, size: tuple[int, int]) -> None:
    """With lists closed, a list open, a preset's text, and an invalid field."""
    async with TuimonApp(runs_dir, launch=True, ascii=True).run_test(size=size, notifications=True) as pilot:
        screen = await launch(pilot)
        assert signs(pilot) == ""
        await pilot.press("enter")
        await seen(pilot, "activation-elu")
        assert signs(pilot) == ""
        await pilot.press("end")
        await seen(pilot, "other...")
        assert signs(pilot) == ""
        await pilot.press("escape")
        screen.query_one(Select).value = "quadratic"
        await seen(pilot, "w^2")
        assert signs(pilot) == ""
        next(row for row in screen.query(FieldRow) if row.key == "optimizer.lr").query_one(Input).value = "x"
        await seen(pilot, "learning rate: ")
        assert signs(pilot) == ""


async def test_the_list_of_a_preset_opens_its_prompt(runs_dir: Path) -> None:
    """The list's value differs from its ASCII label."""
    async with TuimonApp(runs_dir, launch=True, ascii=True).run_test(size=(80, 24), notifications=True) as pilot:
        await launch(pilot)
        await pilot.press("enter", "end", "enter")
        await seen(pilot, "or your own .toml, script")
        assert signs(pilot) == ""


@pytest.mark.parametrize("severity", ["information", "warning", "error"])
async def test_dialogs_and_notices_are_ascii(runs_dir: Path, severity: Any) -> None:
    """Their borders and their texts."""
    async with TuimonApp(runs_dir, ascii=True).run_test(size=(100, 30), notifications=True) as pilot:
        app = pilot.app
        assert isinstance(app, TuimonApp)
        app.show_error(TuimonError("Write lr = … in it.", "lr 1 → 0.5"), "Not so…")
        app.notify("Wait…", title="1 × 2", severity=severity, timeout=60)
        await seen(pilot, "lr 1 -> 0.5")
        await seen(pilot, "Wait...")
        assert signs(pilot) == ""


async def test_the_palette_is_ascii(runs_dir: Path, make_run: Any) -> None:
    """Its borders, its icon and the key names."""
    async with TuimonApp(runs_dir, make_run("r"), ascii=True).run_test(size=(160, 45), notifications=True) as pilot:
        await seen(pilot, "gradient")
        await pilot.press("ctrl+p")
        await until(pilot, lambda: isinstance(pilot.app.screen, CommandPalette))
        await seen(pilot, "Search for commands...")
        await seen(pilot, "Save a checkpoint now (c)")
        assert signs(pilot) == ""
        await pilot.press(*"cursor")
        await seen(pilot, "(right)")
        assert signs(pilot) == ""


def test_a_name_of_the_users_stays() -> None:
    """Only tuimon's own signs are replaced."""
    assert to_ascii("größe → 2 × 3…") == "größe -> 2 x 3..."
