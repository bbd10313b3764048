"""The user's settings, and what is remembered of a folder of runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tuimon.base.errors import TuimonError
from tuimon.viewer import settings
from tuimon.viewer.settings import Settings, View, change, config_file, grid_of, load, load_or_default, remember, view_of
from tuimon.viewer.theme import starting_theme


def test_settings_are_kept_in_a_file_of_the_user(own_settings: Path) -> None:
    """Only what differs from the defaults is in it; an empty value restores one."""
    assert load() == Settings() and not config_file().exists()
    change(["theme=nord", "title=off", "grid=3x4"])
    assert config_file() == own_settings / "config" / "tuimon" / "config.toml"
    assert load() == Settings(theme="nord", title=False, grid="3x4")
    change(["theme=", "title=on"])
    assert load() == Settings(grid="3x4") and "theme" not in config_file().read_text()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("them=nord", "did you mean theme"),
        ("theme", "not a setting"),
        ("title=perhaps", "on or off"),
        ("notices=bel", "did you mean bell"),
        ("grid=7x7", "at most 36"),
        ("grid=0x4", "no grid"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_reason(text: str, told: str) -> None:
    """And nothing is written."""
    with pytest.raises(TuimonError, match=told):
        change([text])
    assert not config_file().exists()


@pytest.mark.parametrize("text", ["theme = 3", "them = 'nord'", "[[", "grid = '9x9'", "\0", "notices = 'x'"])
def test_a_file_that_cannot_be_read_costs_no_more_than_its_settings(text: str) -> None:
    """It is said with the file's name; a command that would write it refuses."""
    config_file().parent.mkdir(parents=True)
    config_file().write_text(text)
    found, problem = load_or_default()
    assert found == Settings() and (str(config_file()) in problem or "grid" in problem or "notices" in problem)
    with pytest.raises(TuimonError):
        change(["theme=nord"])
    assert config_file().read_text() == text


def test_the_command_shows_and_changes_them(own_settings: Path) -> None:
    """In a real process; a wrong key ends with 1."""

    def config(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-m", "tuimon", "config", *words], capture_output=True, text=True, timeout=60)

    assert "notices=bell,osc9" in config().stdout
    assert "theme=nord" in config("theme=nord").stdout and load().theme == "nord"
    wrong = config("colour=red")
    assert wrong.returncode == 1 and "'colour=red' is not a setting" in wrong.stderr


def test_the_user_s_theme_comes_before_the_usual_one() -> None:
    """But after the environment's, and not on a terminal that cannot show it."""
    assert starting_theme("truecolor", {}, "nord") == "nord"
    assert starting_theme("truecolor", {"TUIMON_THEME": "gruvbox"}, "nord") == "gruvbox"
    assert starting_theme("standard", {}, "nord") == starting_theme("standard", {}) != "nord"


def test_views_are_remembered_for_each_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest of them; a damaged memory is forgotten."""
    monkeypatch.setattr(settings, "_MOST_FOLDERS", 2)
    for name in "abc":
        remember(tmp_path / name, View(name, [name], ["x"]))
    assert view_of(tmp_path / "a") == View() and view_of(tmp_path / "c") == View("c", ["c"], ["x"])
    settings._views_file().write_bytes(b"{\xff")
    assert view_of(tmp_path / "c") == View()


def test_a_memory_that_cannot_be_written_is_no_error(tmp_path: Path, own_settings: Path) -> None:
    """As in a home that is not writable."""
    (own_settings / "state").write_text("a file, not a folder")
    remember(tmp_path, View("loss"))
    assert view_of(tmp_path) == View()


def test_a_grid_is_read_in_its_forms() -> None:
    """Rows first."""
    assert (grid_of("3x4"), grid_of("1×36"), grid_of("auto"), grid_of("")) == ((3, 4), (1, 36), None, None)
