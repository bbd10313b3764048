"""The app: keeps the runs that are open, follows them, and shows screens.

Runs in the viewer's process, on the main thread; feeds have threads of their own that only post. Imports little at the top:
what the first frame does not show is imported when it is needed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from rich.console import RenderableType
from textual import on, work
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandInput, CommandPalette, SearchIcon
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.timer import Timer
from textual.worker import WorkerFailed

from tuimon.base.errors import TuimonError, in_one_line
from tuimon.log.records import Applied, Refused
from tuimon.viewer import theme
from tuimon.viewer.deferred import collect_again, import_numpy
from tuimon.viewer.keyboard import KeyboardDriver
from tuimon.viewer.keys import keys_of
from tuimon.viewer.lean import lean
from tuimon.viewer.messages import AnswerCame, BatchRead, DamageFound, StatusChanged, StopAnswered
from tuimon.viewer.plain_text import said
from tuimon.viewer.screens.base import TuimonScreen

if TYPE_CHECKING:
    from tuimon.launcher.runs.status import Status
    from tuimon.log.batch import Batch
    from tuimon.log.files import Damage
    from tuimon.viewer.opened import Answer, OpenRun

DRAW_EVERY_S = 0.25
_STEERED_EVERY_S = 0.05  # what a key did is to be seen sooner than the next point of a curve
_BEHIND_EVERY_S = 1.0  # behind a dialog, all that changes has the whole screen drawn
_AWAIT_LOG_S = 0.2
_STARTED_AFTER_S = 2.0
_HEIGHTS = [(0, "-flat"), (14, "-low"), (30, "-high")]  # rows from which on the style sheet takes a screen for such a one
_SOON_S = 0.001  # a timer of no length is an error in Textual


class TuimonApp(App[None]):
    """The viewer."""

    TITLE = "tuimon"
    CSS_PATH = "tuimon.tcss"
    VERTICAL_BREAKPOINTS = _HEIGHTS
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+q", "leave", "Quit", show=False, priority=True),
        Binding("ctrl+c", "leave", "Quit", show=False),
        Binding("ctrl+z", "suspend_process", "Suspend", show=False),
    ]

    def __init__(self, runs_dir: Path, open_run: Path | None = None, launch: bool = False, ascii: bool = False) -> None:
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.runs_dir = runs_dir
        self.ascii_only = ascii
        self.opened: dict[Path, OpenRun] = {}
        self._first = (open_run, launch)
        self._compared_first: tuple[Path, ...] = ()
        self._dirty: set[Path] = set()
        self._told: dict[tuple[str, str], float] = {}  # title and text of notices, until when they are to be read
        self._drawn_at = self._draws_at = 0.0
        self._drawing: Timer | None = None
        self._waiting: Timer | None = None  # for the log of the first run
        wanted = theme.starting_theme(self.console.color_system, os.environ)
        self.theme = wanted if wanted in self.available_themes else theme.FULL

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver for this system, which no input may end."""
        found = super().get_driver_class()
        return KeyboardDriver if found is LinuxDriver else found

    def get_default_screen(self) -> Screen[None]:
        """Home lies under everything."""
        from tuimon.viewer.screens.home import HomeScreen

        return HomeScreen(self.runs_dir)

    @property
    def opens_a_run(self) -> bool:
        """Whether a run's screen is about to cover Home: then nothing is to compete with its log for the first second."""
        return self._first[0] is not None

    def on_mount(self) -> None:
        """Opens what was asked for, once the first frame is out."""
        if self.ascii_only:
            self.add_class("-ascii")
        self.set_timer(_STARTED_AFTER_S, collect_again)
        run, launch = self._first
        if run:
            self.call_after_refresh(self._open_first, run)
        elif launch:
            self.call_after_refresh(self.action_launch)
        elif self._compared_first:
            self.call_after_refresh(self.compare, self._compared_first)

    def _open_first(self, path: Path) -> None:
        """Shows the first run with what its log says: frames without it would come no sooner, and cost as much."""
        try:
            self.follow(path)
        except TuimonError as error:
            self._first = (None, False)
            self.show_error(error)
            return
        self._waiting = self.set_timer(_AWAIT_LOG_S, self._show_first)

    def _show_first(self) -> None:
        path, _ = self._first
        if path and self._waiting:
            self._waiting.stop()
            self._waiting = None
            self.open_run(path)
            self._first = (None, False)

    # Called by feeds, on their threads: they only post.

    def batch_read(self, path: Path, batch: Batch) -> None:
        """A feed read a batch."""
        self.post_message(BatchRead(path, batch))

    def answer_came(self, path: Path, answer: Answer) -> None:
        """A run answered a command."""
        self.post_message(AnswerCame(path, answer))

    def status_changed(self, path: Path, status: Status) -> None:
        """A run stands otherwise."""
        self.post_message(StatusChanged(path, status))

    def damage_found(self, path: Path, damage: Damage) -> None:
        """A log cannot be read on."""
        self.post_message(DamageFound(path, damage))

    # What they posted is put to use here, on the main thread.

    @on(BatchRead)
    def take_batch(self, event: BatchRead) -> None:
        """Puts a batch into its store, and has the screen drawn soon."""
        if run := self.opened.get(event.path):
            run.store.apply(event.batch)
            steered = any(isinstance(record.event, Applied | Refused) for record in event.batch.events)
            self._draw_soon(event.path, _STEERED_EVERY_S if steered else DRAW_EVERY_S)
            if run.store.series:
                self._show_first()

    @on(AnswerCame)
    def take_answer(self, event: AnswerCame) -> None:
        """Tells the user what came of a command, at once."""
        run = self.opened.get(event.path)
        if run and run.settle(event.answer):
            self._each_screen_told(event.path, event.answer)
            self._draw_soon(event.path)

    @on(StatusChanged)
    def take_status(self, event: StatusChanged) -> None:
        """Shows how the run stands."""
        if run := self.opened.get(event.path):
            run.status = event.status
            self._draw_soon(event.path)

    @on(DamageFound)
    def tell_damage(self, event: DamageFound) -> None:
        """Says where the log ends being readable."""
        self.notify(str(event.damage), title=event.path.name, severity="warning", timeout=15, markup=False)

    @on(StopAnswered)
    def tell_stop(self, event: StopAnswered) -> None:
        """Says what came of a request to stop."""
        if event.error:
            self.show_error(event.error, "The run could not be stopped")
        else:
            self.notify(event.text, markup=False)

    @on(CommandPalette.Opened)
    def spell_palette(self) -> None:
        """Textual's own palette has signs that not every terminal shows."""
        if self.ascii_only and isinstance(self.screen, CommandPalette):
            self.screen.query_one(SearchIcon).icon = ">"
            line = self.screen.query_one(CommandInput)
            line.placeholder = said(self, str(line.placeholder))

    def notify(
        self,
        message: str,
        *,
        title: str = "",
        severity: SeverityLevel = "information",
        timeout: float | None = None,
        markup: bool = True,
    ) -> None:
        """Tells the user something, in letters that the terminal shows; once while it stands there, however often said."""
        message, title = said(self, message), said(self, title)
        now = time.monotonic()
        self._told = {told: until for told, until in self._told.items() if until > now}
        if (title, message) in self._told:
            return
        self._told[title, message] = now + (self.NOTIFICATION_TIMEOUT if timeout is None else timeout)
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    @property
    def front(self) -> TuimonScreen | None:
        """The screen that the user sees, dialogs aside."""
        screens = self._screens()
        return screens[-1] if screens else None

    @property
    def is_covered(self) -> bool:
        """Whether a dialog lies over the front screen."""
        return self.front is not None and self.front is not self.screen_stack[-1]

    def _each_screen_told(self, path: Path, answer: Answer) -> None:
        for screen in self._screens():
            screen.answered(path, answer)

    def _screens(self) -> list[TuimonScreen]:
        return [screen for screen in self.screen_stack if isinstance(screen, TuimonScreen)]

    def _draw_soon(self, path: Path, every_s: float = DRAW_EVERY_S) -> None:
        """Draws at once when the last drawing is so long ago, else when it will be."""
        self._dirty.add(path)
        now = time.monotonic()
        at = max(now + _SOON_S, self._drawn_at + (_BEHIND_EVERY_S if self.is_covered else every_s))
        if self._drawing is not None and at < self._draws_at:
            self._drawing.stop()
            self._drawing = None
        if self._drawing is None:
            self._draws_at = at
            self._drawing = self.set_timer(at - now, self._draw)

    def _draw(self) -> None:
        self._drawing = None
        self._drawn_at = time.monotonic()
        dirty, self._dirty = self._dirty, set()
        if self.front:
            self.front.runs_changed(dirty)

    def follow(self, path: Path) -> OpenRun:
        """Opens a run, or returns it when it is open.

        Raises:
            TuimonError: there is none.
        """
        if path not in self.opened:
            import_numpy()
            from tuimon.viewer.opened import open_run

            self.opened[path] = open_run(path, self)
        return self.opened[path]

    def open_run(self, path: Path) -> None:
        """Shows a run's screen over Home."""
        try:
            run = self.follow(path)
        except TuimonError as error:
            self.show_error(error)
            return
        from tuimon.viewer.screens.run import RunScreen

        self.go_home()
        self.push_screen(RunScreen(run))

    def open_next(self, path: Path) -> None:
        """Shows the run after this one, of those that are open and those that train."""
        from tuimon.viewer.screens.home import HomeScreen

        home = self.screen_stack[0]
        live = [run.path for run in home.runs if run.status.live] if isinstance(home, HomeScreen) else []
        paths = list(dict.fromkeys([*self.opened, *live]))
        if len(paths) < 2:
            self.notify("No other run is open or training.", timeout=3)
            return
        self.open_run(paths[(paths.index(path) + 1) % len(paths)])

    def compare_first(self, paths: Sequence[Path]) -> None:
        """Begins with several runs overlaid."""
        self._compared_first = tuple(paths)

    def compare(self, paths: Sequence[Path]) -> None:
        """Shows several runs' curves over each other."""
        try:
            runs = [self.follow(path) for path in paths]
        except TuimonError as error:
            self.show_error(error)
            return
        from tuimon.viewer.screens.compare import CompareScreen

        self.push_screen(CompareScreen(runs))

    def go_home(self) -> None:
        """Closes whatever lies over Home."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def show_error(self, error: TuimonError, title: str = "That did not work") -> None:
        """Shows an error in a dialog."""
        from tuimon.viewer.screens.dialogs import ErrorDialog

        self.push_screen(ErrorDialog(error, title))

    def ask_stop(self, path: Path) -> None:
        """Asks once whether a run is to be stopped, and has it stopped."""
        from tuimon.viewer.screens.dialogs import StopDialog, what_stopping_does

        what_happens = what_stopping_does(path.name, self._is_own_script(path))

        def answered(yes: bool | None) -> None:
            if yes:
                self.notify(f"Asked to stop. {what_happens}", markup=False)
                self._stop(path)

        self.push_screen(StopDialog(what_happens), answered)

    def _is_own_script(self, path: Path) -> bool:
        """Whether a run trains a script of the user's, as against a spec."""
        from tuimon.spec.spec import SPEC_FILE

        started = self.opened[path].store.started if path in self.opened else None
        return started.spec is None if started else not (path / SPEC_FILE).is_file()

    @work(thread=True, group="stop")
    def _stop(self, path: Path) -> None:
        from tuimon.launcher.steering.client import stop

        try:
            self.post_message(StopAnswered(stop(path)))
        except TuimonError as error:
            self.post_message(StopAnswered("", error))

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Writes a frame, or a part of one."""
        super()._display(screen, lean(renderable))

    def action_launch(self) -> None:
        """Opens the Launch screen."""
        from tuimon.viewer.screens.launch import LaunchScreen

        try:
            self.push_screen(LaunchScreen(self.runs_dir))
        except TuimonError as error:
            self.show_error(error)

    def action_help(self) -> None:
        """Opens the help."""
        from tuimon.viewer.screens.help import HelpScreen

        if not isinstance(self.screen, TuimonScreen):
            return
        name = f"help-{self.screen.PLACE}"
        if not self.is_screen_installed(name):
            self.install_screen(HelpScreen(self.screen.PLACE, self.ascii_only), name)  # kept: the next time it is there at once
        self.push_screen(name)

    async def action_quit(self) -> None:
        """What Textual's own palette calls."""
        self.action_leave()

    def action_leave(self) -> None:
        """Leaves the screen. Runs go on, and the shell is told which."""
        live = [run for run in self.opened.values() if run.status.live]
        told = [f"{run.name} goes on training. Come back with: tuimon attach {run.name}" for run in live]
        self.exit(message="\n".join(told) or None)

    @property
    def failure(self) -> str:
        """What ended the app, in one line; empty when it was the user."""
        error = self._exception
        return in_one_line(error.error if isinstance(error, WorkerFailed) else error) if error else ""

    def _fatal_error(self) -> None:
        """Ends the app after an error that nothing caught. `show` says it in a line; Textual would print a page."""
        self._close_messages_no_wait()

    def leave_soon(self) -> None:
        """Leaves from a signal handler: between two messages."""
        self.call_later(self.action_leave)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """What the palette offers: every key of the screen, and Textual's themes and screenshot."""
        for command in super().get_system_commands(screen):
            if command.title in ("Theme", "Screenshot"):
                yield command
        if isinstance(screen, TuimonScreen):
            yield from _key_commands(screen, self.ascii_only)


def _key_commands(screen: TuimonScreen, ascii: bool) -> Iterable[SystemCommand]:
    for key in keys_of(screen.PLACE):
        if key.action and key.action != "app.command_palette":
            action, name = key.action, key.ascii_name if ascii else key.name
            yield SystemCommand(f"{key.help} ({name})", "", lambda action=action: screen.run_action(action))
