"""The terminal is asked for its background, and a light one gets the light theme."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from driving import until
from tuimon.viewer.app import TuimonApp
from tuimon.viewer.keyboard import BackgroundSeen, InputDecoder, lightness
from tuimon.viewer.settings import load
from tuimon.viewer.theme import FULL, LIGHT, TERMINAL_S_OWN, theme_on

WHITE, BLACK = b"\x1b]11;rgb:ffff/ffff/ffff\x1b\\", b"\x1b]11;rgb:0000/0000/0000\x07"


@pytest.mark.parametrize("answer", [WHITE, BLACK])
def test_the_answer_is_no_input_wherever_it_is_cut(answer: bytes) -> None:
    """Nor is any key beside it lost."""
    for at in range(6, len(answer)):
        seen: list[float] = []
        decoder = InputDecoder(seen.append)
        assert decoder.decode(b"ab" + answer[:at]) + decoder.decode(answer[at:] + b"cd") == "abcd"
        assert seen == [pytest.approx(1.0 if answer == WHITE else 0.0)]


def test_only_one_answer_is_taken_and_nothing_else_waits() -> None:
    """Escape and Alt+] come through at once; what only begins like an answer comes with what follows."""
    seen: list[float] = []
    decoder = InputDecoder(seen.append)
    assert decoder.decode(b"\x1b") == "\x1b" and decoder.decode(b"\x1b]") == "\x1b]"
    assert decoder.decode(b"\x1b]11;no answer, and far longer than one could ever be") != ""
    assert decoder.decode(WHITE + b"q") == "q" and seen == [pytest.approx(1.0)]
    assert decoder.decode(BLACK) == BLACK.decode() and len(seen) == 1
    assert InputDecoder().decode(WHITE) == WHITE.decode()  # nobody has asked


def test_lightness_is_that_of_the_eye() -> None:
    """Of any number of digits; green is lighter than blue."""
    assert lightness(b"f", b"ff", b"fff") == pytest.approx(1.0) and lightness(b"00", b"0", b"0000") == 0.0
    assert lightness(b"00", b"ff", b"00") > 0.5 > lightness(b"00", b"00", b"ff")


def test_only_the_usual_theme_gives_way() -> None:
    """What the user chose, and the terminal's own colours, stay."""
    assert theme_on(0.9, FULL, {}, "") == LIGHT and theme_on(0.1, FULL, {}, "") == FULL
    assert theme_on(0.9, FULL, {"TUIMON_THEME": FULL}, "") == theme_on(0.9, FULL, {}, FULL) == FULL
    assert theme_on(0.9, TERMINAL_S_OWN, {}, "") == TERMINAL_S_OWN and theme_on(0.9, "nord", {}, "nord") == "nord"


async def test_the_app_takes_the_light_theme_and_remembers_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next terminal may be dark; a theme that the user then chooses is remembered as ever."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TUIMON_THEME", raising=False)
    app = TuimonApp(tmp_path)
    async with app.run_test() as pilot:
        app.theme = FULL
        await pilot.pause()
        app.prefer(theme="")
        app.post_message(BackgroundSeen(0.95))
        await until(pilot, lambda: app.theme == LIGHT)
        await pilot.pause()
        assert load().theme == ""
        app.theme = "nord"
        await until(pilot, lambda: load().theme == "nord")


def test_the_decoder_is_made_as_textual_makes_it() -> None:
    """Without arguments, or with what to do with errors."""
    assert partial(InputDecoder, print)().decode(b"a") == partial(InputDecoder, print)(errors="strict").decode(b"a") == "a"
