"""What all drawn widgets have in common: they draw what changed, when it is seen."""

import pytest
from rich.style import Style
from textual.color import Color
from textual.geometry import Region
from textual.theme import BUILTIN_THEMES

from driving import until
from tuimon.viewer.draw.rows import Row, Span, fit
from tuimon.viewer.widgets import Drawn
from tuimon.viewer.widgets.drawn import _changes
from tuimon.viewer.widgets.palette import style_of


class Lines(Drawn):
    """Shows a list of lines and counts how often it draws."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = ["abc", "def"]
        self.drawn = 0

    def draw(self, width: int, height: int) -> list[Row]:
        """One row per line."""
        self.drawn += 1
        return [fit([Span(line, "bad")], width) for line in self.lines]


async def test_nothing_is_drawn_when_the_store_says_nothing_new(run, show):
    """A store at the same version costs no drawing; a new version costs one."""
    async with show(widget := Lines()) as shown:
        widget.update_from(run.read())
        shown.lines()
        before = widget.drawn
        for _ in range(5):
            widget.update_from(run.read())
        assert widget.drawn == before
        run.train(1, 1)
        widget.update_from(run.read())
        assert widget.drawn == before + 1


def test_the_chosen_row_shows_without_colours(monkeypatch):
    """It has its own background, or is reversed if there are no colours."""
    variables = {"primary": "#0178D4"}
    monkeypatch.delenv("NO_COLOR", raising=False)
    coloured = style_of("selected", Style(), Color.parse("black"), variables)
    assert coloured.bgcolor and not coloured.reverse
    monkeypatch.setenv("NO_COLOR", "1")
    assert style_of("selected", Style(), Color.parse("black"), variables).reverse


def test_in_the_chosen_row_nothing_is_drawn_in_its_own_colour():
    """With sixteen colours, the selection's background equals a curve's colour."""
    variables = {"primary": "ansi_blue", "text-primary": "ansi_blue", "text-error": "ansi_red"}
    for word, ink in (("train", None), ("histogram", None), ("bad", 1)):
        style = style_of(f"{word} selected", Style(), Color.parse("ansi_default"), variables)
        assert (style.color.number, style.bgcolor.number) == (ink, 4)


@pytest.mark.parametrize("theme", [theme for theme in BUILTIN_THEMES.values() if not theme.name.startswith("ansi")])
def test_the_chosen_row_can_be_read_in_each_theme(theme):
    """At the contrast that WCAG asks for, whatever a word means."""
    variables = {"text-muted": "auto 60%", **theme.to_color_system().generate()}
    background = Color.parse(variables["background"])
    plain = Style(color=Color.parse(variables["foreground"]).rich_color)
    for word in ("value", "dim", "key", "good", "warn", "bad", "train", "val", "raw", "series-0", ""):
        style = style_of(f"{word} selected", plain, background, variables)
        one, other = (Color.from_rich_color(colour) for colour in (style.color, style.bgcolor))
        dark, light = sorted(luminance(colour) for colour in (one, other))
        assert (light + 0.05) / (dark + 0.05) >= 4.4, word  # colours are rounded to whole numbers


def luminance(colour):
    """The relative luminance."""
    linear = [((part + 0.055) / 1.055) ** 2.4 if part > 0.04045 else part / 12.92 for part in colour.normalized]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


async def test_lines_are_as_wide_as_the_widget(show):
    """Including empty lines."""
    async with show(Lines(), 10, 4) as shown:
        assert shown.lines() == ["abc       ", "def       ", " " * 10, " " * 10]


async def test_control_characters_show_as_signs(show):
    """A foreign log's tag may contain any: each takes one cell, and none reaches the terminal."""
    async with show(widget := Lines(), 10, 2) as shown:
        widget.lines = ["a\tb\x1b[2Jc", "é\x07ü"]
        widget.redraw()
        assert shown.lines() == ["a?b?[2Jc  ", "é?ü       "]


async def test_a_hidden_widget_draws_nothing_until_it_is_seen(show):
    """A redraw requested while hidden happens when it is shown again."""
    async with show(widget := Lines(), 10, 4) as shown:
        shown.stage.shown.display = False
        await shown.pilot.pause()
        before = widget.drawn
        widget.lines = ["xyz"]
        widget.redraw()
        assert widget.drawn == before
        widget.display = True
        await shown.pilot.pause()
        assert shown.lines()[0].startswith("xyz")


async def test_a_new_size_is_drawn_anew(show):
    """Rows of the old width are not stretched."""
    async with show(Lines(), 10, 4) as shown:
        await shown.pilot.resize_terminal(20, 6)
        await shown.pilot.pause()
        assert [len(line) for line in shown.lines()] == [20] * 6


async def test_a_theme_recolours(show):
    """Bad values have the theme's error colour, in any theme."""

    def colours(widget: Drawn) -> set[Style]:
        return {segment.style.color for segment in widget.render_line(0) if segment.style}

    async with show(widget := Lines()) as shown:
        dark = colours(widget)
        shown.stage.theme = "textual-light"
        await shown.pilot.pause()
        assert colours(widget) != dark


def test_only_differing_cells_are_refreshed():
    """From the first differing cell to the last; a removed line is refreshed whole."""
    before = [[Span("abcdef", "x")], [Span("same")], [Span("gone")]]
    after = [[Span("abXYef", "x")], [Span("same")]]
    assert list(_changes(before, after, 6)) == [Region(2, 0, 2, 1), Region(0, 2, 6, 1)]


def test_a_change_of_style_alone_is_a_change():
    """The text is the same, its style is not."""
    assert list(_changes([[Span("ab", "x"), Span("cd", "y")]], [[Span("ab", "x"), Span("cd", "z")]], 4)) == [Region(2, 0, 2, 1)]


async def test_colours_follow_the_theme(show):
    """Another theme recolours the screen; unstyled text has the widget's own colours."""
    async with show(widget := Lines(), 10, 4) as shown:
        before = widget.render_line(0)._segments[0].style
        shown.stage.theme = "textual-light"
        await until(shown.pilot, lambda: widget.render_line(0)._segments[0].style.color != before.color)
        after = widget.render_line(0)._segments[0].style
        assert after.bgcolor != before.bgcolor and after.bold


async def test_with_the_terminal_s_own_colours_what_stands_back_is_dim(show):
    """They cannot be mixed with an unknown background."""
    async with show(widget := Lines(), 10, 4) as shown:
        shown.stage.theme = "ansi-dark"
        await until(shown.pilot, lambda: widget._rich("bad").color.number == 1)
        assert widget._rich("dim").dim and widget._rich("raw").dim
        assert not widget._rich("value").dim
