"""Sends frames to the terminal in fewer bytes than Textual does, with the same result on screen.

Textual sends a changed row from its widget's left edge on, and repeats all colours for every piece of text. Over SSH that is
most of what a screen costs. Here the cells left of the change are skipped, and each piece sends only what differs from the
style before it. Control characters are dropped, too: Textual lets most of them through, and a name or tag in a log may contain
any. Knows nothing of widgets.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import NamedTuple

from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.strip import Strip

_NO_CONTROLS = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)))


class _Look(NamedTuple):
    """A style as SGR parameters, grouped by what can change on its own."""

    attributes: str = ""
    ink: str = "39"
    ground: str = "49"


def lean(update: RenderableType | None) -> RenderableType | None:
    """The same update in fewer bytes, if it is of a kind that can be shortened."""
    if isinstance(update, ChopsUpdate):
        return LeanUpdate(update)
    return LeanFrame(update) if isinstance(update, LayoutUpdate) else update


class LeanFrame(LayoutUpdate):
    """A whole frame."""

    def __init__(self, update: LayoutUpdate) -> None:
        super().__init__(update.strips, update.region)

    def render_segments(self, console: Console) -> str:
        """The text to write to the terminal."""
        pen = _Pen(console)
        rows = (f"\x1b[{y};{self.region.x + 1}H{pen.row(row)}" for y, row in enumerate(self.strips, self.region.y + 1))
        return "".join(rows) + "\x1b[0m"


class LeanUpdate(ChopsUpdate):
    """The changed parts of a frame."""

    def __init__(self, update: ChopsUpdate) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """The text to write to the terminal."""
        pen = _Pen(console)
        out = []
        for y, left, right in self.spans:
            for end, (x, strip) in zip(self.chop_ends[y], self.chops[y].items(), strict=False):
                first, last = max(x, left), min(end, right)
                if strip is not None and first < last:
                    out.append(f"\x1b[{y + 1};{first + 1}H")
                    out.append(pen.row([strip.crop(first - x, last - x)]))
        return "".join(out) + "\x1b[0m"


class _Pen:
    """Writes text, sending only the style changes since the text before."""

    def __init__(self, console: Console) -> None:
        self._system = console._color_system or ColorSystem.TRUECOLOR
        self._look = _Look()

    def row(self, strips: Iterable[Strip]) -> str:
        """The strips of one row, from left to right."""
        pieces = (piece for strip in strips for piece in strip if piece.text)
        return "".join(self._turn_to(_look(style or Style.null(), self._system)) + _text(text) for text, style, _ in pieces)

    def _turn_to(self, look: _Look) -> str:
        """The escape sequence that changes the last written style into this one."""
        before, self._look = self._look, look
        if look == before:
            return ""
        if look.attributes != before.attributes:
            parts = ["0", look.attributes, look.ink, look.ground]
        else:
            parts = [part for part, old in zip(look, before, strict=True) if part != old]
        return f"\x1b[{';'.join(part for part in parts if part)}m"


def _text(text: str) -> str:
    """The text without control characters, which Textual counts as zero cells."""
    return text if text.isprintable() else text.translate(_NO_CONTROLS)


@functools.lru_cache(maxsize=4096)
def _look(style: Style, system: ColorSystem) -> _Look:
    attributes = style.without_color.render("_", color_system=system).partition("_")[0].removeprefix("\x1b[").removesuffix("m")
    ink, ground = style.color, style.bgcolor
    return _Look(
        attributes,
        ";".join(ink.downgrade(system).get_ansi_codes()) if ink else "39",
        ";".join(ground.downgrade(system).get_ansi_codes(foreground=False)) if ground else "49",
    )
