"""A part of a frame, as it is sent to the terminal."""

from __future__ import annotations

import random

import pyte
import pytest
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tuimon.viewer.lean import LeanFrame, LeanUpdate, lean

WIDTH, HEIGHT = 40, 6
LOOKS = ("none", "#ff0000 on #101010", "bold #ff0000 on #101010", "dim red", "on blue", "underline green")


def frame(rng: random.Random) -> tuple[list[dict[int, Strip | None]], list[list[int]]]:
    """Rows of two widgets side by side, in random looks."""
    styles = [Style.parse(look).copy() for look in LOOKS]  # each keeps how it was sent first, whatever the colours then
    chops: list[dict[int, Strip | None]] = []
    for _ in range(HEIGHT):
        row: dict[int, Strip | None] = {}
        for start, end in ((0, 15), (15, WIDTH)):
            letters = [Segment(rng.choice("abc ⠿█"), rng.choice(styles)) for _ in range(end - start)]
            row[start] = Strip(letters) if rng.random() > 0.1 else None
        chops.append(row)
    return chops, [[15, WIDTH]] * HEIGHT


def cells(*sent: str) -> list[list[pyte.screens.Char]]:
    """The terminal's cells after it received this output."""
    screen = pyte.Screen(WIDTH, HEIGHT)
    stream = pyte.Stream(screen)
    for data in sent:
        stream.feed(data)
    return [[screen.buffer[y][x] for x in range(WIDTH)] for y in range(HEIGHT)]


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("system", ["truecolor", "256", "standard"])
def test_the_terminal_shows_what_it_would_have_shown(seed: int, system: str) -> None:
    """Letters, colours and attributes in the changed spans equal Textual's own update; other cells do not change."""
    rng = random.Random(seed)
    console = Console(color_system=system, force_terminal=True)  # type: ignore[arg-type]
    chops, ends = frame(rng)
    spans = [(y, left := rng.randrange(WIDTH), rng.randrange(left + 1, WIDTH + 1)) for y in range(HEIGHT)]
    update = ChopsUpdate(chops, spans, ends)
    wide, lean = cells(update.render_segments(console)), cells(LeanUpdate(update).render_segments(console))
    for y, left, right in spans:
        assert lean[y][left:right] == wide[y][left:right]
        assert {char.data for char in (*lean[y][:left], *lean[y][right:])} <= {" "}


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("system", ["truecolor", "256", "standard"])
def test_of_a_whole_frame_the_terminal_shows_what_it_would_have_shown(seed: int, system: str) -> None:
    """Every cell is correct, whatever was there before, with fewer bytes."""
    rng = random.Random(seed)
    console = Console(color_system=system, force_terminal=True)  # type: ignore[arg-type]
    old, new = ([[strip for strip in row.values() if strip] for row in frame(rng)[0]] for _ in range(2))
    before = LayoutUpdate(old, Region(0, 0, WIDTH, HEIGHT)).render_segments(console)
    update = LayoutUpdate(new, Region(0, 0, WIDTH, HEIGHT))
    wide, lean = update.render_segments(console), LeanFrame(update).render_segments(console)
    assert cells(before, lean) == cells(before, wide)
    assert len(lean) < len(wide)


def test_it_takes_fewer_bytes() -> None:
    """A change at the right end of a uniform row sends its cells and little more."""
    plain, bold = (Style.parse(look).copy() for look in LOOKS[1:3])
    strip = Strip([Segment("─" * 30, plain), Segment("new", plain), Segment("est", bold)])
    update = ChopsUpdate([{0: strip}], [(0, 30, 36)], [[36]])
    console = Console(color_system="truecolor", force_terminal=True)
    assert len(LeanUpdate(update).render_segments(console)) < 0.8 * len(update.render_segments(console))


@pytest.mark.parametrize("command", ["\x1b]0;title\x07", "\x1b[2J", "\x9b2J", "\r", "\n", "\x7f"])
def test_a_text_cannot_command_the_terminal(command: str) -> None:
    """For a control sequence in a name, only the letters are sent."""
    style = Style.parse("red")
    strip = Strip([Segment(f"a{command}b", style)])
    console = Console(color_system="truecolor", force_terminal=True)
    for update in (ChopsUpdate([{0: strip}], [(0, 0, 20)], [[20]]), LayoutUpdate([[strip]], Region(0, 0, 20, 1))):
        sent = lean(update).render_segments(console)  # type: ignore[union-attr]
        assert command not in sent
        assert "a" + "".join(letter for letter in command if letter.isprintable()) + "b" in sent
