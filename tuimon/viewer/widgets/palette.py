"""The colour of each style, in the theme's terms.

Styles are words for what a span means; here they become colours, from the theme's variables and the background. They are not in
the style sheet, which would resolve all words again for every widget whose class or focus changes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from rich.style import Style
from textual.color import Color

from tuimon.viewer.draw.pictures import PIXEL

_HEAT_STEPS = 8
_SERIES = ("primary", "warning", "success", "error", "foreground", "text-secondary")


class Look(NamedTuple):
    """A theme colour, its share in percent, and whether the text is bold or underlined."""

    colour: str = ""
    percent: int = 100
    bold: bool | None = None
    underline: bool | None = None


_LOOKS = {
    "title": Look(bold=True),
    "value": Look("foreground"),
    "name": Look("foreground", bold=True),
    "dim": Look("text-muted"),
    "axis": Look("foreground", 60),
    "header": Look("text-muted", underline=True),
    "header-sorted": Look("text-primary", bold=True, underline=True),
    "marker": Look("text-accent"),
    "cursor": Look("text-warning", bold=True),
    "good": Look("text-success"),
    "warn": Look("text-warning", bold=True),
    "bad": Look("text-error", bold=True),
    "key": Look("text-accent", bold=True),
    "histogram": Look("text-primary"),
    "train": Look("primary"),
    "val": Look("warning"),
    "raw": Look("foreground", 35),
    **{f"series-{index}": Look(colour) for index, colour in enumerate(_SERIES)},
    "heat-0": Look("foreground", 20),
    **{f"heat-{level}": Look("primary", 40 + 60 * level // _HEAT_STEPS) for level in range(1, _HEAT_STEPS + 1)},
}
_SELECTED = Look("primary", 30)
_READABLE = 4.5  # contrast that WCAG 2 asks for at this size
_BLENDS = 8
_WEIGHTS = (0.2126, 0.7152, 0.0722)  # of red, green and blue


def style_of(words: str, base: Style, background: Color, variables: Mapping[str, str]) -> Style:
    """The look of a style on a widget; with several words, later ones are added to the first.

    Args:
        words: styles, separated by spaces; unknown ones are ignored. `selected` sets the background, a pixel both colours.
        base: the widget's own look.
        background: the colour behind the text.
        variables: the theme's variables, by name without `$`.
    """
    style = base
    for word in words.split():
        if word == "selected":
            style += _selected(background, variables)
        elif word.startswith(PIXEL):
            upper, lower = word.removeprefix(PIXEL).split("-")
            style += Style(color=f"#{upper}", bgcolor=f"#{lower}")
        elif look := _LOOKS.get(word):
            style += _ink(look, background, variables)
    if "selected" in words and "heat" not in words and PIXEL not in words:  # shades are told apart by their distance
        style += _legible(style)
    if (
        style.color and style.color == style.bgcolor and not words.startswith(PIXEL)
    ):  # among the terminal's own colours, a curve's may equal the selection's
        style += Style(color="default")
    return style


def _selected(background: Color, variables: Mapping[str, str]) -> Style:
    if "NO_COLOR" in os.environ:
        return Style(reverse=True)
    return Style(bgcolor=_mixed(_SELECTED, background, variables).rich_color)


def _legible(style: Style) -> Style:
    """The text's colour, with as much black or white in it as it needs to be read on its background."""
    if not all(colour and colour.triplet for colour in (style.color, style.bgcolor)):
        return Style()  # a terminal's own colours are not known
    own, behind = Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor)
    plain = behind.get_contrast_text(1.0)
    shades = (own.blend(plain, step / _BLENDS) for step in range(_BLENDS + 1))
    return Style(color=next((shade for shade in shades if _contrast(shade, behind) >= _READABLE), plain).rich_color)


def _contrast(one: Color, other: Color) -> float:
    """The contrast ratio of WCAG 2, from 1 to 21."""
    dark, light = sorted((_luminance(one), _luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: Color) -> float:
    """The relative luminance of WCAG 2, in [0, 1]."""
    parts = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in colour.normalized)
    return sum(weight * part for weight, part in zip(_WEIGHTS, parts, strict=True))


def _ink(look: Look, background: Color, variables: Mapping[str, str]) -> Style:
    if not look.colour:
        return Style(bold=look.bold, underline=look.underline)
    colour = _mixed(look, background, variables)
    # A terminal's own colours cannot be mixed with the background; muted text is dim instead.
    stands_back = colour.ansi is not None and (look.percent < 50 or "muted" in look.colour)
    return Style(color=colour.rich_color, bold=look.bold, underline=look.underline, dim=stands_back or None)


def _mixed(look: Look, background: Color, variables: Mapping[str, str]) -> Color:
    colour, _, share = variables[look.colour].partition(" ")
    parsed = Color.automatic(100) if colour == "auto" else Color.parse(colour)
    part = look.percent / 100 * (float(share.rstrip("%")) / 100 if share else 1.0)
    return background + parsed.multiply_alpha(part)
