"""`?` explains the panel that has the focus."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from driving import seen, text_of, until
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.explained import EXPLAINED
from tuimon.viewer.screens.help import HelpScreen, panel_text
from tuimon.viewer.screens.pages import PAGES
from tuimon.viewer.widgets import EventList, LayerTable


def test_every_panel_is_explained() -> None:
    """Those of a run and of a comparison; the list of runs is its whole screen, which has a text of its own."""
    assert {panel for page in PAGES for panel in page.panels} | {"overlay", "overlays", "final"} == set(EXPLAINED)


@pytest.mark.parametrize("panel", EXPLAINED)
def test_an_explanation_fits_any_width_and_terminal(panel: str) -> None:
    """In ASCII, too; what is no panel has none."""
    assert max(map(len, panel_text(panel, width=40).split("\n")[1:])) <= 40
    assert panel_text(panel, ascii=True).isascii() and panel_text("nothing") == ""


async def test_the_help_begins_with_the_panel_that_has_the_focus(runs_dir: Path, make_run: Callable[..., Path]) -> None:
    """Each time with the one that has it now; without one, with the screen."""
    run = make_run("a")
    async with TuimonApp(runs_dir, run).run_test(size=(160, 45)) as pilot:
        await until(pilot, lambda: any(table.count() for table in pilot.app.screen.query(LayerTable)))
        for kind, said in ((LayerTable, "This panel: the layers"), (EventList, "This panel: the events")):
            await until(pilot, lambda: not isinstance(pilot.app.screen, HelpScreen))
            pilot.app.screen.query_one(kind).focus()
            await pilot.press("question_mark")
            await seen(pilot, said)
            assert text_of(pilot).count("This panel:") == 1
            await pilot.press("escape")
