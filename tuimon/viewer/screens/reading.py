"""A text in a dialog, which the arrows and vim's motions scroll."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from textual.binding import BindingType
from textual.containers import VerticalScroll

from tuimon.viewer.widgets.vim import MOTIONS, Motions


class Reading(Motions, VerticalScroll):
    """Scrolls what is in it."""

    BINDINGS: ClassVar[list[BindingType]] = MOTIONS
    TARGETS: ClassVar[Mapping[str, str]] = {"j": "scroll_down", "k": "scroll_up", "gg": "scroll_home", "G": "scroll_end"}
