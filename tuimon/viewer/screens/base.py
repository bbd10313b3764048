"""What all screens share: a footer made from the table of keys, the way to the app, and what the app tells them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from textual import on
from textual.screen import Screen

from tuimon.viewer.keys import Key, Levers, Place, keys_of
from tuimon.viewer.screens.key_bar import Hint, KeyBar

if TYPE_CHECKING:
    from tuimon.viewer.opened import Answer


class Host(Protocol):
    """What screens ask of the app."""

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal shows ASCII characters only."""
        ...

    @property
    def opens_a_run(self) -> bool:
        """Whether a run's screen is about to cover Home."""
        ...

    @property
    def front(self) -> TuimonScreen | None:
        """The screen that the user sees, dialogs aside."""
        ...

    def go_home(self) -> None:
        """Closes whatever lies over Home."""
        ...

    def open_run(self, path: Path) -> None:
        """Shows a run's screen over Home."""
        ...

    def open_next(self, path: Path) -> None:
        """Shows the run after this one, of those that are open and those that train."""
        ...

    def compare(self, paths: Sequence[Path]) -> None:
        """Shows several runs' curves over each other."""
        ...

    def ask_stop(self, path: Path) -> None:
        """Asks once whether a run is to be stopped, and has it stopped."""
        ...


class TuimonScreen(Screen[None]):
    """A screen with a place in the table of keys; its BINDINGS are `keys.bindings(PLACE)`."""

    PLACE: ClassVar[Place]
    _key_bar: KeyBar | None = None

    @property
    def tuimon(self) -> Host:
        """The app, as far as screens know it."""
        return cast("Host", self.app)

    def key_bar(self) -> KeyBar:
        """The footer, as things stand when the screen is made."""
        self._key_bar = KeyBar(self.hints())
        return self._key_bar

    def hints(self) -> list[Hint]:
        """The keys for the footer, with what they would do now."""
        levers = self.levers()
        labelled = [(key, key.label_now(levers)) for key in keys_of(self.PLACE)]
        return [Hint(key, label, not self.why_not(key)) for key, label in labelled if label]

    def levers(self) -> Levers:
        """The levers that labels follow."""
        return {}

    def why_not(self, key: Key) -> str:
        """Why a key can do nothing now; empty when it can."""
        return ""

    def show_keys(self) -> None:
        """Brings the footer up to date."""
        if self._key_bar:
            self._key_bar.show(self.hints())

    def runs_changed(self, paths: set[Path]) -> None:
        """The stores of these runs hold more than before, or the runs stand otherwise. Called at most four times a second."""

    def answered(self, path: Path, answer: Answer) -> None:
        """A run answered a command that was sent from here."""

    @on(KeyBar.Pressed)
    async def press(self, event: KeyBar.Pressed) -> None:
        """A click on a key does what the key does."""
        if event.key.action:
            await self.run_action(event.key.action)

    def action_back(self) -> None:
        """Back to the list of runs."""
        self.tuimon.go_home()
