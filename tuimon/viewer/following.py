"""The part of the app that follows runs: it keeps the open ones, takes what their feeds read, and decides when to draw.

Feeds have threads of their own, which only post messages; all else is on the main thread.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from textual import on
from textual.timer import Timer

from tuimon.log.records import Applied, Notice, Refused
from tuimon.viewer.deferred import import_numpy
from tuimon.viewer.messages import AnswerCame, BatchRead, DamageFound, StatusChanged
from tuimon.viewer.netted_app import NettedApp
from tuimon.viewer.screens.base import TuimonScreen

if TYPE_CHECKING:
    from tuimon.launcher.runs.status import Status
    from tuimon.log.batch import Batch, EventRecord
    from tuimon.log.files import Damage
    from tuimon.viewer.opened import Answer, OpenRun

DRAW_EVERY_S = 0.25
_STEERED_EVERY_S = 0.05  # show the effect of a key sooner than the next point of a curve
_BEHIND_EVERY_S = 1.0  # behind a dialog, every change makes Textual redraw the whole screen
_SOON_S = 0.001  # Textual does not accept a timer of length zero


class FollowingApp(NettedApp):
    """An app that follows the logs of open runs.

    Attributes:
        runs_dir: the folder of runs; it may not exist yet.
        opened: the open runs by folder.
    """

    def __init__(self, runs_dir: Path, ansi_color: bool | None = None) -> None:
        super().__init__(ansi_color=ansi_color)
        self.runs_dir = runs_dir
        self.opened: dict[Path, OpenRun] = {}
        self._dirty: set[Path] = set()
        self._drawn_at = self._draws_at = 0.0
        self._drawing: Timer | None = None

    def on_unmount(self) -> None:
        """Ends the feeds; the runs go on."""
        for run in self.opened.values():
            run.close()

    def curves_came(self) -> None:
        """Called when an open run has curves to show."""

    def drew(self, paths: set[Path]) -> None:
        """Called after each drawing of new data of these runs."""

    def follow(self, path: Path) -> OpenRun:
        """Opens a run, or returns it if it is already open.

        Raises:
            TuimonError: there is no such run.
        """
        if path not in self.opened:
            import_numpy()
            from tuimon.launcher.runs.runs import run_name
            from tuimon.viewer.opened import open_run

            self.opened[path] = open_run(path, self, run_name(path, self.runs_dir))
        return self.opened[path]

    # Called by feeds, on their threads: these only post a message.

    def batch_read(self, path: Path, batch: Batch) -> None:
        """Posts a batch of records that a feed has read."""
        self.post_message(BatchRead(path, batch))

    def answer_came(self, path: Path, answer: Answer) -> None:
        """Posts a run's answer to a command."""
        self.post_message(AnswerCame(path, answer))

    def status_changed(self, path: Path, status: Status) -> None:
        """Posts a run's new status."""
        self.post_message(StatusChanged(path, status))

    def damage_found(self, path: Path, damage: Damage) -> None:
        """Posts where a log is damaged."""
        self.post_message(DamageFound(path, damage))

    # Handlers for these messages, on the main thread.

    @on(BatchRead)
    def take_batch(self, event: BatchRead) -> None:
        """Adds a batch to its store and schedules a redraw."""
        if run := self.opened.get(event.path):
            with self.saying(f"{run.name}: could not add new records"):
                run.take(event.batch)
            steered = any(isinstance(record.event, Applied | Refused) for record in event.batch.events)
            self._draw_soon(event.path, _STEERED_EVERY_S if steered else DRAW_EVERY_S)
            if run.store.series:
                self.curves_came()
            if run.seen_live:
                self._tell_further(run.name, event.batch.events)

    def _tell_further(self, name: str, records: Sequence[EventRecord]) -> None:
        """Tells the latest of the further runs that a program has announced."""
        told = [record.event for record in records if isinstance(record.event, Notice) and record.event.run]
        if told:
            self.notify(told[-1].text, title=name, timeout=15, markup=False)

    @on(AnswerCame)
    def take_answer(self, event: AnswerCame) -> None:
        """Shows the answer to a command at once."""
        run = self.opened.get(event.path)
        if run and run.settle(event.answer):
            self._each_screen_told(event.path, event.answer)
            self._draw_soon(event.path)

    @on(StatusChanged)
    def take_status(self, event: StatusChanged) -> None:
        """Updates a run's status."""
        if run := self.opened.get(event.path):
            run.seen_live = run.seen_live or event.status.live
            run.status = event.status
            self._draw_soon(event.path)

    @on(DamageFound)
    def tell_damage(self, event: DamageFound) -> None:
        """Marks a run whose log cannot all be read, for as long as it is open."""
        if run := self.opened.get(event.path):
            run.damaged(event.damage)
            self._draw_soon(event.path)

    @property
    def front(self) -> TuimonScreen | None:
        """The topmost screen below any dialogs."""
        screens = self._screens()
        return screens[-1] if screens else None

    @property
    def is_covered(self) -> bool:
        """Whether a dialog covers the front screen."""
        return self.front is not None and self.front is not self.screen_stack[-1]

    def _each_screen_told(self, path: Path, answer: Answer) -> None:
        for screen in self._screens():
            screen.answered(path, answer)

    def _screens(self) -> list[TuimonScreen]:
        return [screen for screen in self.screen_stack if isinstance(screen, TuimonScreen)]

    def _draw_soon(self, path: Path, every_s: float = DRAW_EVERY_S) -> None:
        """Draws now if the last drawing is at least `every_s` seconds ago, else as soon as it is."""
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
            with self.saying("Could not update the screen"):
                self.front.runs_changed(dirty)
        with self.saying("Could not tell what is new"):
            self.drew(dirty)
