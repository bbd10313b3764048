"""Vim's motions beside the arrows, for whatever scrolls: `j` `k` by a line, `gg` and `G` to either end.

A screen's own keys come first: where it uses one of these, the motion gives way.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.widget import Widget

from tuimon.viewer.keys import KEYS

MOTIONS: list[BindingType] = [
    Binding("j", "motion('j')", "Down", show=False),
    Binding("k", "motion('k')", "Up", show=False),
    Binding("g", "motion('g')", "Twice: first row", show=False),
    Binding("G", "motion('G')", "Last row", show=False),
]


if TYPE_CHECKING:
    _Mixed = Widget
else:
    _Mixed = object  # Textual takes a widget's style from its first base that is a widget


class Motions(_Mixed):
    """Mixin placed before a Textual class: the motions do what the arrows, `home` and `end` do.

    Attributes:
        TARGETS: the action for each of `j`, `k`, `gg` and `G`.
        TAKES: keys that it takes also where the screen uses them, since they mean nothing to it there.
    """

    TARGETS: ClassVar[Mapping[str, str]] = {"j": "move(1)", "k": "move(-1)", "gg": "home", "G": "end"}
    TAKES: ClassVar[frozenset[str]] = frozenset()
    _begun = False

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Lets a key through to the screen that uses it."""
        if action == "motion":
            return parameters[0] in self.TAKES or parameters[0] not in self._used()
        return super().check_action(action, parameters)

    async def action_motion(self, key: str) -> None:
        """Carries out a motion; `g` only when it comes for the second time."""
        if key == "g":
            self._begun = not self._begun
            if self._begun:
                return
            key = "gg"
        await self.run_action(self.TARGETS[key])

    def on_key(self, event: events.Key) -> None:
        """Forgets a `g` after which something else comes."""
        self._begun = self._begun and event.key == "g"

    def _used(self) -> frozenset[str]:
        """The keys that the screen uses."""
        place = getattr(self.screen, "PLACE", None)
        return frozenset(part for key in KEYS if place in key.places for part in key.key.split(","))
