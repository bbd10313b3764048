"""The app: shows screens, dialogs and notices, and quits.

Runs in the viewer's process, on the main thread. Imports little at the top: what the first frame does not need is imported on
first use.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

from rich.console import RenderableType
from rich.text import Text
from textual import on, work
from textual.app import SystemCommand
from textual.binding import Binding, BindingType
from textual.command import CommandInput, CommandPalette, SearchIcon
from textual.driver import Driver
from textual.drivers.linux_driver import LinuxDriver
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from tuimon.base.errors import TuimonError
from tuimon.spec import SPEC_FILE
from tuimon.viewer import theme
from tuimon.viewer.again import RestartingApp
from tuimon.viewer.deferred import collect_again
from tuimon.viewer.keyboard import BackgroundSeen, KeyboardDriver
from tuimon.viewer.keys import keys_of
from tuimon.viewer.lean import lean
from tuimon.viewer.messages import StopAnswered
from tuimon.viewer.plain_text import said
from tuimon.viewer.screens.base import TuimonScreen

_AWAIT_LOG_S = 0.2
_STOP_WAIT_S = 5.0  # before a stop is shown as asked for, not done
_STARTED_AFTER_S = 2.0
_HEIGHTS = [(0, "-flat"), (14, "-low"), (30, "-high")]  # from this many rows on, the screen gets this class


class TuimonApp(RestartingApp):
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
        super().__init__(runs_dir, ansi_color=True if "NO_COLOR" in os.environ else None)
        self.ascii_only = ascii
        self._first = (open_run, launch)
        self._by_background = ""  # the theme that the terminal's background called for
        self._compared_first: tuple[Path, ...] = ()
        self._study_first: Path | None = None
        self._told: dict[tuple[str, str], float] = {}  # title and text of each notice on screen, and when it disappears
        self._waiting: Timer | None = None  # waits for the log of the first run
        wanted = theme.starting_theme(self.console.color_system, os.environ, self.settings.theme)
        self.theme = wanted if wanted in self.available_themes else theme.FULL

    def get_driver_class(self) -> type[Driver]:
        """Textual's driver for this system; on Linux, one whose input thread no input can end."""
        found = super().get_driver_class()
        return KeyboardDriver if found is LinuxDriver else found

    def get_default_screen(self) -> Screen[None]:
        """Returns Home, the screen below all others."""
        from tuimon.viewer.screens.home import HomeScreen

        return HomeScreen(self.runs_dir)

    @property
    def opens_a_run(self) -> bool:
        """Whether a run's screen is about to cover Home. Home then stays idle for a second, so that the log loads faster."""
        return self._first[0] is not None

    def on_mount(self) -> None:
        """Opens the run, form or comparison that was asked for, after the first frame."""
        if self.ascii_only:
            self.add_class("-ascii")
        self.set_timer(_STARTED_AFTER_S, collect_again)
        self.theme_changed_signal.subscribe(self, self._theme_chosen)
        self.tell_settings_problem()
        run, launch = self._first
        if run:
            self.call_after_refresh(self._open_first, run)
        elif launch:
            self.call_after_refresh(self.action_launch)
        elif self._compared_first:
            self.call_after_refresh(self.compare, self._compared_first)
        elif self._study_first:
            self.call_after_refresh(self.open_study, self._study_first)

    def _theme_chosen(self, chosen: Theme) -> None:
        """Remembers a theme that the user chose."""
        if chosen.name not in (self.settings.theme, self._by_background):
            self.prefer(theme=chosen.name)

    @on(BackgroundSeen)
    def suit_background(self, event: BackgroundSeen) -> None:
        """Takes the light theme on a light terminal, unless the user has chosen one."""
        self._by_background = theme.theme_on(event.lightness, self.theme, os.environ, self.settings.theme)
        self.theme = self._by_background

    def _open_first(self, path: Path) -> None:
        """Waits for the log before showing the first run: empty frames would come no sooner and cost as much."""
        try:
            self.follow(path)
        except TuimonError as error:
            self._first = (None, False)
            self.show_error(error)
            return
        self._waiting = self.set_timer(_AWAIT_LOG_S, self._show_first)

    def curves_came(self) -> None:
        """Shows the run that was asked for at the start."""
        self._show_first()

    def _show_first(self) -> None:
        path, _ = self._first
        if path and self._waiting:
            self._waiting.stop()
            self._waiting = None
            self.open_run(path)
            self._first = (None, False)

    @on(StopAnswered)
    def tell_stop(self, event: StopAnswered) -> None:
        """Shows whether a request to stop was accepted."""
        if event.error:
            self.show_error(event.error, "Could not stop the run")
        else:
            self.notify(event.text, markup=False)

    @on(CommandPalette.Opened)
    def spell_palette(self) -> None:
        """Replaces signs in Textual's command palette that an ASCII terminal cannot show."""
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
        """Shows a notice, spelled in ASCII where needed. A notice that is still on screen is not shown twice."""
        message, title = said(self, message), said(self, title)
        now = time.monotonic()
        self._told = {told: until for told, until in self._told.items() if until > now}
        if (title, message) in self._told:
            return
        self._told[title, message] = now + (self.NOTIFICATION_TIMEOUT if timeout is None else timeout)
        super().notify(message, title=title, severity=severity, timeout=timeout, markup=markup)

    def open_run(self, path: Path) -> None:
        """Shows a run's screen on top of Home."""
        try:
            run = self.follow(path)
        except TuimonError as error:
            self.show_error(error)
            return
        from tuimon.viewer.screens.run import RunScreen

        self.go_home()
        self.push_screen(RunScreen(run))

    def open_next(self, path: Path) -> None:
        """Shows the next of the runs that are open or training."""
        from tuimon.viewer.screens.home import HomeScreen

        home = self.screen_stack[0]
        live = [run.path for run in home.runs if run.status.live] if isinstance(home, HomeScreen) else []
        paths = list(dict.fromkeys([*self.opened, *live]))
        if len(paths) < 2:
            self.notify("No other run is open or training.", timeout=3)
            return
        self.open_run(paths[(paths.index(path) + 1) % len(paths)])

    def compare_first(self, paths: Sequence[Path]) -> None:
        """Makes the app start with these runs compared."""
        self._compared_first = tuple(paths)

    def study_first(self, folder: Path | None) -> None:
        """Makes the app start with this study's page."""
        self._study_first = folder

    def compare(self, paths: Sequence[Path], folds: bool = False) -> None:
        """Compares the curves of several runs; `folds` shows those that differ in their seed alone as one."""
        try:
            runs = [self.follow(path) for path in paths]
        except TuimonError as error:
            self.show_error(error)
            return
        from tuimon.viewer.screens.compare import CompareScreen

        self.push_screen(CompareScreen(runs, folds))

    def open_study(self, folder: Path) -> None:
        """Shows a study's page."""
        from tuimon.viewer.screens.study import StudyScreen

        self.push_screen(StudyScreen(folder))

    def go_home(self) -> None:
        """Closes all screens above Home."""
        while len(self.screen_stack) > 1:
            self.pop_screen()

    def show_error(self, error: TuimonError, title: str = "That did not work") -> None:
        """Shows an error in a dialog."""
        from tuimon.viewer.screens.dialogs import ErrorDialog

        self.push_screen(ErrorDialog(error, title))

    def ask_stop(self, path: Path) -> None:
        """Asks for confirmation, then stops a run."""
        from tuimon.launcher.runs.glance import judge
        from tuimon.viewer.screens.dialogs import StopDialog, what_stopping_does

        queued = judge(path)[1].state == "queued"
        what_happens = what_stopping_does(path.name, self._is_own_script(path), queued)

        def answered(yes: bool | None) -> None:
            if yes:
                self.notify(f"Stop requested. {what_happens}", markup=False)
                self._stop(path)

        self.push_screen(StopDialog(what_happens), answered)

    def _is_own_script(self, path: Path) -> bool:
        """Whether a run trains the user's own script rather than a spec."""
        started = self.opened[path].store.started if path in self.opened else None
        return started.spec is None if started else not (path / SPEC_FILE).is_file()

    @work(thread=True, group="stop")
    def _stop(self, path: Path) -> None:
        from tuimon.launcher.steering.client import NoAnswer
        from tuimon.launcher.steering.stop import stop

        try:
            self.post_message(StopAnswered(stop(path, timeout_s=_STOP_WAIT_S)))
        except NoAnswer as waiting:  # it may validate and save for longer
            self.post_message(StopAnswered(waiting.message))
        except TuimonError as error:
            self.post_message(StopAnswered("", error))

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        """Writes a frame or part of one to the terminal, in fewer bytes than Textual would."""
        super()._display(screen, lean(renderable))

    def action_launch(self) -> None:
        """Opens the Launch screen."""
        from tuimon.viewer.screens.launch import LaunchScreen

        try:
            self.push_screen(LaunchScreen(self.runs_dir))
        except TuimonError as error:
            self.show_error(error)

    def action_help(self) -> None:
        """Opens the help for the current screen; it begins with the panel that has the focus."""
        from tuimon.viewer.screens.help import HelpScreen, panel_of

        if not isinstance(self.screen, TuimonScreen):
            return
        name = f"help-{self.screen.PLACE}"
        if not self.is_screen_installed(name):
            self.install_screen(HelpScreen(self.screen.PLACE, self.ascii_only), name)  # keep it: it opens instantly next time
        help_screen = self.get_screen(name)
        if isinstance(help_screen, HelpScreen):
            help_screen.panel = panel_of(self.screen.focused)
        self.push_screen(name)

    async def action_quit(self) -> None:
        """Called by Textual's own palette."""
        self.action_leave()

    def action_leave(self) -> None:
        """Quits the viewer. The shell lists the runs that keep training, and how the others ended."""
        told = [run.parting() for run in self.opened.values() if run.seen_live]
        self.exit(message=Text("\n".join(told)) if told else None)

    def leave_soon(self) -> None:
        """Quits from a signal handler, between two messages."""
        self.call_later(self.action_leave)

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Fills the command palette: all keys of the screen, plus Textual's themes and screenshot."""
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
