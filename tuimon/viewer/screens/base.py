"""What all screens share: the footer from the table of keys, access to the app, and the app's notifications."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Protocol, cast

from textual import on
from textual.screen import Screen

from tuimon.viewer.keys import Key, Levers, Place, keys_of
from tuimon.viewer.net import Netted
from tuimon.viewer.screens.key_bar import Hint, KeyBar

if TYPE_CHECKING:
    from tuimon.launcher.runs.status import Status
    from tuimon.launcher.runs.summary import RunSummary
    from tuimon.viewer.opened import Answer
    from tuimon.viewer.settings import Settings


class Host(Protocol):
    """The parts of the app that screens use."""

    @property
    def ascii_only(self) -> bool:
        """Whether the terminal shows ASCII characters only."""
        ...

    @property
    def settings(self) -> Settings:
        """The user's settings."""
        ...

    @property
    def runs_dir(self) -> Path:
        """The folder of runs."""
        ...

    @property
    def opened(self) -> Mapping[Path, object]:
        """The open runs by folder."""
        ...

    def listed(self, runs: Iterable[RunSummary]) -> None:
        """Tells what is new of runs that are not open."""
        ...

    def prefer(self, **settings: str) -> Settings:
        """Changes settings of the user, also in their file."""
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

    def compare(self, paths: Sequence[Path], folds: bool = False) -> None:
        """Compares the curves of several runs."""
        ...

    def open_study(self, folder: Path) -> None:
        """Shows a study's page."""
        ...

    def resume(self, path: Path) -> None:
        """Asks for how long, then resumes a run that is over."""
        ...

    def replay(self, path: Path) -> None:
        """Asks what to change, then trains a run again with the same interventions."""
        ...

    def fork(self, path: Path) -> None:
        """Asks what is to be different, then starts a new run from a run's checkpoint."""
        ...

    def launch_like(self, path: Path) -> None:
        """Opens the form with what a run trained."""
        ...

    def ask_stop(self, path: Path) -> None:
        """Asks for confirmation, then stops a run."""
        ...


def why_not_again(action: str, path: Path, status: Status, launched: bool) -> str:
    """Why a run cannot be resumed, replayed, forked or launched again; empty if it can, as far as is known without trying."""
    from tuimon.launcher.runs.runs import is_resumable
    from tuimon.spec import SPEC_FILE

    if not path.is_dir():
        return f"{path.name} cannot be started again: its folder is gone"
    if action == "fork":
        told = f"{path.name} cannot be forked: a program has to load its checkpoints by itself"
        return "" if (path / SPEC_FILE).is_file() else told
    if status.live and action != "launch_like":
        return f"{path.name} is still training: it is {status.state}"
    if action == "resume" and not is_resumable(path):
        why = (
            "it saved no checkpoint; P starts it anew" if (path / SPEC_FILE).is_file() else "a program has to resume by itself"
        )
        return f"{path.name} cannot be resumed: {why}"
    if not launched and not (path / SPEC_FILE).is_file():
        return f"{path.name} cannot be started again: its log does not say how it was started"
    return ""


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

    @property
    def subject(self) -> Path | None:
        """The run that keys for a single run act on; None if there is none."""
        return None

    def action_resume(self) -> None:
        """Resumes the run."""
        self._again(self.tuimon.resume)

    def action_replay(self) -> None:
        """Trains the run again with the same interventions."""
        self._again(self.tuimon.replay)

    def action_fork(self) -> None:
        """Starts a new run from the run's checkpoint."""
        self._again(self.tuimon.fork)

    def action_launch_like(self) -> None:
        """Opens the form with what the run trained."""
        self._again(self.tuimon.launch_like)

    def action_about(self) -> None:
        """Shows what the run is."""
        if self.subject:
            from tuimon.viewer.screens.about import AboutScreen

            self.app.push_screen(AboutScreen(self.subject, self.tuimon.ascii_only))

    def _again(self, start: Callable[[Path], None]) -> None:
        """Starts the run again, unless the key's own condition forbids it."""
        key = next(key for key in keys_of(self.PLACE) if key.action == start.__name__)
        if why := self.why_not(key):
            self.notify(why, severity="warning", timeout=4, markup=False)
        elif self.subject:
            start(self.subject)

    def action_back(self) -> None:
        """Goes back to the list of runs."""
        self.tuimon.go_home()
