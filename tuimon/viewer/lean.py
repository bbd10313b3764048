"""Sends a frame, or a part of one, in fewer bytes than Textual does; what the terminal then shows is the same.

Textual sends a changed row from its widget's left edge on, and every piece of text with all of its colours. Over SSH that is
most of what a screen costs. Here the cells left of the change stay away, and only what differs from the piece before is said
of a piece's look. Control characters stay away, too: Textual lets most of them through, and a name or a tag in a log may hold
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
    """A style as the numbers of a terminal's SGR sequence, by what can be changed alone."""

    attributes: str = ""
    ink: str = "39"
    ground: str = "49"


def lean(update: RenderableType | None) -> RenderableType | None:
    """The same update in fewer bytes, where it is one that takes them."""
    if isinstance(update, ChopsUpdate):
        return LeanUpdate(update)
    return LeanFrame(update) if isinstance(update, LayoutUpdate) else update


class LeanFrame(LayoutUpdate):
    """A whole frame."""

    def __init__(self, update: LayoutUpdate) -> None:
        super().__init__(update.strips, update.region)

    def render_segments(self, console: Console) -> str:
        """What is to be written to the terminal."""
        pen = _Pen(console)
        rows = (f"\x1b[{y};{self.region.x + 1}H{pen.row(row)}" for y, row in enumerate(self.strips, self.region.y + 1))
        return "".join(rows) + "\x1b[0m"


class LeanUpdate(ChopsUpdate):
    """The changed parts of a frame."""

    def __init__(self, update: ChopsUpdate) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """What is to be written to the terminal."""
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
    """Writes text in the look that it has, saying only what differs from the look of what was written last."""

    def __init__(self, console: Console) -> None:
        self._system = console._color_system or ColorSystem.TRUECOLOR
        self._look = _Look()

    def row(self, strips: Iterable[Strip]) -> str:
        """Pieces of one row, one after the other."""
        pieces = (piece for strip in strips for piece in strip if piece.text)
        return "".join(self._turn_to(_look(style or Style.null(), self._system)) + _text(text) for text, style, _ in pieces)

    def _turn_to(self, look: _Look) -> str:
        """The sequence that leads from the look of what was written last to this one."""
        before, self._look = self._look, look
        if look == before:
            return ""
        if look.attributes != before.attributes:
            parts = ["0", look.attributes, look.ink, look.ground]
        else:
            parts = [part for part, old in zip(look, before, strict=True) if part != old]
        return f"\x1b[{';'.join(part for part in parts if part)}m"


def _text(text: str) -> str:
    """Without control characters, which take no cell in Textual's eyes."""
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
