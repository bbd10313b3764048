"""The part of the app that tells outside of the screen what happens to runs, and what the user prefers. Main thread."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from tuimon.base.errors import TuimonError
from tuimon.viewer.following import FollowingApp
from tuimon.viewer.settings import Settings, load_or_default

if TYPE_CHECKING:
    from tuimon.launcher.runs.summary import RunSummary
    from tuimon.viewer.notices import Event, Notifier, Watch
    from tuimon.viewer.opened import OpenRun


class NoticingApp(FollowingApp):
    """An app that notifies.

    Attributes:
        settings: the user's, as they were when the app started.
    """

    def __init__(self, runs_dir: Path, ansi_color: bool | None = None) -> None:
        super().__init__(runs_dir, ansi_color=ansi_color)
        self.settings, self._settings_problem = load_or_default()
        self._watches: dict[Path, Watch] = {}
        self._notifier: Notifier | None = None

    def tell_settings_problem(self) -> None:
        """Says why the settings file could not be read; the defaults apply then."""
        if self._settings_problem:
            self.notify(self._settings_problem, severity="warning", timeout=15, markup=False)

    def prefer(self, **settings: str) -> Settings:
        """Changes settings of the user, also in their file. An error is shown."""
        from tuimon.viewer.settings import change

        try:
            self.settings = change([f"{name}={value}" for name, value in settings.items()])
        except TuimonError as error:
            self.notify(str(error), severity="warning", timeout=10, markup=False)
        return self.settings

    def drew(self, paths: set[Path]) -> None:
        """Tells what is new of these runs."""
        from tuimon.launcher.runs.loss import loss_tag
        from tuimon.viewer.notices import Watch, title_of

        notifier = self._telling()
        for path in paths & self.opened.keys():
            run = self.opened[path]
            tag = loss_tag(run.store)
            loss = run.store.last(tag) if tag in run.store and len(run.store[tag]) else None
            watch = self._watches.setdefault(path, Watch())
            for event in watch.events(run.status, loss, run.store.step, run.findings, run.seen_live):
                self._tell(path, run.name, event)
        shown = self._shown_run()
        notifier.entitle(title_of(shown.name, shown.status, shown.store) if shown else "tuimon")

    def listed(self, runs: Iterable[RunSummary]) -> None:
        """Tells what is new of runs that are not open; above another screen than their list, also in a notice there."""
        from tuimon.viewer.notices import Watch

        for run in runs:
            if run.path in self.opened or (not run.status.live and run.path not in self._watches):
                continue
            watch = self._watches.setdefault(run.path, Watch())
            for event in watch.events(run.status, run.loss, run.step):
                self._tell(run.path, run.name, event)
                if len(self.screen_stack) > 1:
                    self.notify(f"{run.name}: {event[1]}", timeout=10, markup=False)

    def _tell(self, path: Path, name: str, event: Event) -> None:
        if problem := self._telling().tell(path, name, event):
            self.notify(problem, severity="warning", markup=False)

    def on_unmount(self) -> None:
        """Gives the terminal its title back."""
        if self._notifier:
            self._notifier.close()

    def _telling(self) -> Notifier:
        from tuimon.viewer.notices import Notifier, silently

        if self._notifier is None:
            self._notifier = Notifier(self.settings, lambda text: silently(lambda: self._to_terminal(text)))
        return self._notifier

    def _to_terminal(self, text: str) -> None:
        if self._driver is not None and not self.is_headless:
            self._driver.write(text)
            self._driver.flush()

    def _shown_run(self) -> OpenRun | None:
        return getattr(self.front, "run", None)
