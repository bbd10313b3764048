"""The one table of keys, and what is made from it."""

from __future__ import annotations

from typing import get_args

import pytest
from textual.app import App
from textual.binding import Binding

from tuimon.log.records import LeverInfo
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.keys import KEYS, Place, bindings, keys_of, steering
from tuimon.viewer.screens.base import TuimonScreen
from tuimon.viewer.screens.check import CheckScreen
from tuimon.viewer.screens.compare import CompareScreen
from tuimon.viewer.screens.help import help_text
from tuimon.viewer.screens.home import HomeScreen
from tuimon.viewer.screens.key_bar import Hint, place
from tuimon.viewer.screens.launch import LaunchScreen
from tuimon.viewer.screens.run import RunScreen
from tuimon.viewer.screens.study import StudyScreen

PLACES: tuple[Place, ...] = get_args(Place)
SCREENS: dict[Place, type[TuimonScreen]] = {
    "home": HomeScreen,
    "run": RunScreen,
    "compare": CompareScreen,
    "study": StudyScreen,
    "launch": LaunchScreen,
    "check": CheckScreen,
}


@pytest.mark.parametrize("where", PLACES)
def test_a_key_means_one_thing_on_a_screen(where: Place) -> None:
    """No two rows of the table bind the same key in the same place."""
    bound = [key for binding in bindings(where) if isinstance(binding, Binding) for key in binding.key.split(",")]
    assert sorted(bound) == sorted(set(bound))


@pytest.mark.parametrize("where", PLACES)
def test_every_key_has_an_action_that_its_screen_or_the_app_can_do(where: Place) -> None:
    """Otherwise a key of the table would do nothing."""
    for binding in bindings(where):
        assert isinstance(binding, Binding)
        name = binding.action.partition("(")[0]
        owner: type[object] = TuimonApp if name.startswith("app.") else SCREENS[where]
        assert hasattr(owner, f"action_{name.removeprefix('app.')}") or hasattr(App, f"action_{name}"), binding


@pytest.mark.parametrize("where", PLACES)
def test_the_help_tells_every_key(where: Place) -> None:
    """Including keys that do not fit the footer."""
    text = help_text(where)
    for key in keys_of(where):
        assert key.help in text
        assert key.name in text


@pytest.mark.parametrize("where", ["run", "compare"])
def test_the_help_tells_all_that_keys_do_to_a_chart(where: Place) -> None:
    """Key x switches between three axes, and end follows again after panning."""
    assert "steps, time, epochs" in help_text(where) and "Follow the latest values again" in help_text(where)


@pytest.mark.parametrize("width", [20, 40, 66])
def test_a_narrow_help_keeps_its_columns(width: int) -> None:
    """Explanations wrap within their column and do not run over the edge."""
    about, *sections = help_text("run", width=width).split("\n\n")
    rows = [row for section in sections for row in section.split("\n")[1:]]
    assert any(row.startswith(" " * 15) for row in rows)
    assert all(row.startswith("  ") for row in rows)
    assert width < 40 or max(map(len, [*about.split("\n"), *rows])) <= width


def test_the_ascii_help_is_ascii() -> None:
    """Arrows are written as words."""
    text = help_text("run", ascii=True)
    assert text.isascii()
    assert {line.index(told) for told in ("Pan left", "Zoom in") for line in text.split("\n") if told in line} == {15}


def test_labels_follow_what_the_key_would_do() -> None:
    """Key p resumes a paused run; r turns regularization back on."""
    levers = {"paused": LeverInfo("paused", "switch", True), "regularization": LeverInfo("regularization", "switch", False)}
    assert steering("p").label_now({}) == "pause"
    assert steering("p").label_now(levers) == "resume"
    assert steering("r").label_now({}) == "reg off"
    assert steering("r").label_now(levers) == "reg on"


@pytest.mark.parametrize("width", [250, 120, 80, 40])
def test_the_footer_keeps_the_ways_out_at_any_width(width: int) -> None:
    """Help and quit stay when other keys are dropped, and nothing runs over the edge."""
    rows = place([Hint(key, key.label) for key in KEYS if "run" in key.places and key.label], width)
    shown = [hint.key.action for row in rows for hint, _ in row]
    assert len(rows) <= 2
    assert {"app.leave", "app.help"} <= set(shown)
    assert all(column + hint.width <= width for row in rows for hint, column in row)
