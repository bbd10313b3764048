"""Keeps a list of the runs in a folder up to date: scans it while the list is in front, and glances at live runs meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from textual import on, work
from textual.message import Message
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from tuimon.viewer.deferred import import_numpy
from tuimon.viewer.screens.base import TuimonScreen

if TYPE_CHECKING:
    from tuimon.launcher.runs.scan import Scan
    from tuimon.launcher.runs.summary import RunSummary

_LIVE_EVERY_S = 1.0
_STILL_EVERY_S = 3.0
_GLANCE_EVERY_S = 10.0
_SCAN_S = 0.1  # each time, for damage in long logs


class ScanningScreen(TuimonScreen):
    """A screen that lists the runs of a folder."""

    class Scanned(Message):
        """The worker has scanned the folder."""

        def __init__(self, runs: tuple[RunSummary, ...]) -> None:
            self.runs = runs
            super().__init__()

    class Glanced(Message):
        """The worker has looked at runs that are not open, while another screen is in front."""

        def __init__(self, runs: tuple[RunSummary, ...]) -> None:
            self.runs = runs
            super().__init__()

    def __init__(self, runs_dir: Path) -> None:
        super().__init__()
        self.runs_dir = runs_dir
        self.runs: tuple[RunSummary, ...] = ()
        self._timer: Timer | None = None
        self._glances: Timer | None = None
        self._damage: Scan | None = None

    async def scanned(self) -> None:
        """Called when `runs` is new."""
        raise NotImplementedError

    def scan(self) -> None:
        """Scans the folder, and again and again while the screen is in front; harmless when repeated."""
        if self._glances:
            self._glances.stop()
            self._glances = None
        if self._timer is None:
            self._scan()

    @work(thread=True, exclusive=True, group="scan")
    def _scan(self) -> None:
        import_numpy()
        from tuimon.launcher.runs.runs import list_runs, run_name
        from tuimon.launcher.runs.scan import Scan
        from tuimon.launcher.runs.summary import summarize

        paths = list_runs(self.runs_dir)
        if self._damage is None:
            self._damage = Scan(0.0)  # the first list must not wait for it
        else:
            self._damage.allow(_SCAN_S)
        runs = tuple(summarize(path, run_name(path, self.runs_dir), self._damage) for path in paths)
        self.post_message(self.Scanned(runs))

    @on(Worker.StateChanged)
    def scan_again(self, event: Worker.StateChanged) -> None:
        """Schedules the next scan after a failed one, too; the app shows the error."""
        if event.worker.group == "scan" and event.state is WorkerState.ERROR:
            self._timer = self.set_timer(_STILL_EVERY_S, self._look_again)

    @on(Scanned)
    async def take_runs(self, event: Scanned) -> None:
        """Takes the runs that the worker found and schedules the next scan."""
        self.runs = event.runs
        self.tuimon.listed(event.runs)
        await self.scanned()
        live = any(run.status.live for run in self.runs)
        self._timer = self.set_timer(_LIVE_EVERY_S if live else _STILL_EVERY_S, self._look_again)

    def _look_again(self) -> None:
        """Scans again, unless another screen covers this one: what it draws, Textual would draw again above it.

        Then it only watches the runs that are live, now and then, for what is to be told wherever the user is.
        """
        self._timer = None
        if self.tuimon.front is self:
            self._scan()
        else:
            self._glances = self.set_timer(_GLANCE_EVERY_S, self._glance)

    def _glance(self) -> None:
        self._glances = None
        live = tuple(run for run in self.runs if run.status.live and run.path not in self.tuimon.opened)
        if live and self.tuimon.front is not self:
            self._look_at(live)

    @work(thread=True, exclusive=True, group="glance")
    def _look_at(self, runs: tuple[RunSummary, ...]) -> None:
        from tuimon.launcher.runs.summary import summarize

        self.post_message(self.Glanced(tuple(summarize(run.path, run.name) for run in runs)))

    @on(Glanced)
    def tell_of_runs(self, event: Glanced) -> None:
        """Tells what is new of them."""
        known = {run.path: run for run in event.runs}
        self.runs = tuple(known.get(run.path, run) for run in self.runs)
        self.tuimon.listed(event.runs)
        if self.tuimon.front is not self:
            self._look_again()
