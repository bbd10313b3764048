"""What all screens share: the footer from the table of keys, access to the app, and the app's notifications."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from textual import on
from textual.screen import Screen

from tuimon.viewer.keys import Key, Levers, Place, keys_of
from tuimon.viewer.net import Netted
from tuimon.viewer.screens.key_bar import Hint, KeyBar

if TYPE_CHECKING:
    from tuimon.viewer.opened import Answer


class Host(Protocol):
    """The parts of the app that screens use."""

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
        """Closes all screens above Home."""
        ...

    def open_run(self, path: Path) -> None:
        """Shows a run's screen on top of Home."""
        ...

    def open_next(self, path: Path) -> None:
        """Shows the next of the runs that are open or training."""
        ...

    def compare(self, paths: Sequence[Path]) -> None:
        """Compares the curves of several runs."""
        ...

    def ask_stop(self, path: Path) -> None:
        """Asks for confirmation, then stops a run."""
        ...


class TuimonScreen(Netted, Screen[None]):
    """A screen with a place in the table of keys; its BINDINGS are `keys.bindings(PLACE)`."""

    PLACE: ClassVar[Place]
    _key_bar: KeyBar | None = None

    @property
    def tuimon(self) -> Host:
        """The app, typed as `Host`."""
        return cast("Host", self.app)

    def key_bar(self) -> KeyBar:
        """Creates the footer, with labels for the current state."""
        self._key_bar = KeyBar(self.hints())
        return self._key_bar

    def hints(self) -> list[Hint]:
        """The footer's keys, labelled with what they do now."""
        levers = self.levers()
        labelled = [(key, key.label_now(levers)) for key in keys_of(self.PLACE)]
        return [Hint(key, label, not self.why_not(key)) for key, label in labelled if label]

    def levers(self) -> Levers:
        """The levers that the labels depend on."""
        return {}

    def why_not(self, key: Key) -> str:
        """Why a key does nothing now; empty if it works."""
        return ""

    def show_keys(self) -> None:
        """Updates the footer."""
        if self._key_bar:
            self._key_bar.show(self.hints())

    def runs_changed(self, paths: set[Path]) -> None:
        """New data arrived for these runs, or their status changed. Called at most four times a second."""

    def answered(self, path: Path, answer: Answer) -> None:
        """A run answered a command sent from this screen."""

    @on(KeyBar.Pressed)
    async def press(self, event: KeyBar.Pressed) -> None:
        """Clicking a key in the footer presses it."""
        if event.key.action:
            await self.run_action(event.key.action)

    def action_back(self) -> None:
        """Goes back to the list of runs."""
        self.tuimon.go_home()
