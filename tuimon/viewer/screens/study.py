"""A study's page: its trials as a table, and what they say as pictures."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import ClassVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import Static
from textual.worker import get_current_worker

from tuimon.base.errors import TuimonError
from tuimon.base.format import number
from tuimon.search.reading import Look, StudyReader
from tuimon.viewer.keys import Key, bindings
from tuimon.viewer.screens.base import TuimonScreen
from tuimon.viewer.widgets.study_plot import VIEWS, StudyPlot
from tuimon.viewer.widgets.study_table import StudyTable

_LOOK_S = 1.0
_WIDE = 110  # from this many columns on, the picture is beside the table
_NEEDS_A_TRIAL = ("open", "prune", "about", "launch_like")


class StudyScreen(TuimonScreen):
    """One study.

    Args:
        folder: the study's folder.
    """

    PLACE = "study"
    BINDINGS: ClassVar[list[BindingType]] = bindings("study")

    class Looked(Message):
        """The study was read, or could not be."""

        def __init__(self, look: Look | None, error: str = "") -> None:
            self.look, self.error = look, error
            super().__init__()

    class Weighed(Message):
        """It was computed what decides."""

        def __init__(self, found: tuple[dict[str, float], str]) -> None:
            self.found = found
            super().__init__()

    class Told(Message):
        """What became of a key."""

        def __init__(self, text: str, good: bool = True) -> None:
            self.text, self.good = text, good
            super().__init__()

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self._reader = StudyReader(folder)  # for the reading thread alone
        self._look: Look | None = None
        self._table, self._plot = StudyTable(), StudyPlot()
        self._pruned: list[int] = []  # trials that the reading thread is to end
        self._weigh = False  # whether importance is wanted
        self._reading = threading.Lock()  # one thread at a time reads

    def compose(self) -> ComposeResult:
        """A line, the table and the picture."""
        yield Static(f" study  {self.folder.name}", id="home-title", markup=False)
        with Container(id="study"):
            yield self._table
            yield self._plot
        yield Static("", id="run-detail", markup=False)
        yield self.key_bar()

    def on_mount(self) -> None:
        """Begins to read."""
        self.call_after_refresh(self._table.focus)
        self._arrange()
        self._read()
        self.set_interval(_LOOK_S, self._read)

    def on_resize(self) -> None:
        """Puts the picture beside the table, or below."""
        self._arrange()

    @property
    def subject(self) -> Path | None:
        """The run of the trial under the cursor."""
        trial = self._table.under_cursor
        return self.folder / trial.name if trial else None

    def why_not(self, key: Key) -> str:
        """Why a key does nothing."""
        if self._look is None:
            return "the study is being read" if key.action in (*_NEEDS_A_TRIAL, "best") else ""
        trial = self._table.under_cursor
        if key.action in _NEEDS_A_TRIAL and trial is None:
            return "there is no trial yet"
        if key.action == "prune" and trial and trial.outcome != "running":
            return f"{trial.name} is over: {trial.outcome}"
        if key.action == "best" and not self._look.ranked:
            return "no trial has a value yet"
        return ""

    def _arrange(self) -> None:
        self.query_one("#study").styles.layout = "horizontal" if self.size.width >= _WIDE else "vertical"

    @work(thread=True, exclusive=False, group="study")
    def _read(self) -> None:
        if get_current_worker().is_cancelled or not self._reading.acquire(blocking=False):
            return
        try:
            while self._pruned:
                self._prune_now(self._pruned.pop(0))
            look = self._reader.look()
            if look is not None:
                self.post_message(self.Looked(look))
            if self._weigh:
                self._weigh = False
                self.post_message(self.Weighed(self._reader.importance()))
        except TuimonError as error:
            self.post_message(self.Looked(None, str(error)))
        finally:
            self._reading.release()

    def _prune_now(self, trial: int) -> None:
        from tuimon.launcher.steering.stop import stop

        run = self.folder / f"trial-{trial + 1:04d}"
        try:
            if not self._reader.prune(trial):
                self.post_message(self.Told(f"{run.name} is over already.", False))
                return
            self.post_message(self.Told(f"{run.name} is pruned: {stop(run, timeout_s=5.0)}"))
        except TuimonError as error:
            self.post_message(self.Told(f"{run.name}: {error.message}", False))

    @on(Looked)
    def take(self, event: Looked) -> None:
        """Shows what was read."""
        if event.look is None:
            self._say(event.error.splitlines()[0])
            return
        self._look = event.look
        self._table.show(event.look)
        self._plot.show(event.look)
        self._weigh = self._plot.view == "importance"
        self._entitle()
        self._detail()

    @on(Weighed)
    def take_importance(self, event: Weighed) -> None:
        """Shows what decides."""
        self._plot.show_importance(event.found)

    @on(Told)
    def tell(self, event: Told) -> None:
        """Says what became of a key."""
        self.notify(event.text, severity="information" if event.good else "warning", markup=False)

    @on(StudyTable.Moved)
    def _detail(self) -> None:
        trial = self._table.under_cursor
        if trial:
            values = "  ".join(f"{name}={value}" for name, value in trial.values.items())
            self._say(f"{trial.name}  {trial.outcome}{f': {trial.why}' if trial.why else ''}  {values}")
        self.show_keys()

    @on(StudyTable.Chosen)
    def action_open(self) -> None:
        """Opens the trial's run, to look at and to steer."""
        if self.subject:
            self.tuimon.open_run(self.subject)

    def action_prune(self) -> None:
        """Ends the trial: the study counts it as pruned, and its run is stopped."""
        trial = self._table.under_cursor
        if trial and trial.outcome == "running":
            self._pruned.append(trial.number)
            self._read()

    @work(thread=True, group="stop")
    def action_stop_search(self) -> None:
        """Asks a search in the background to start no more trials."""
        from tuimon.search.background import stop_search

        self.post_message(self.Told(stop_search(self.folder)))

    def action_best(self) -> None:
        """Opens the form with what the best trial trains, to train it at full length."""
        if self._look and self._look.ranked:
            best = next(one for one in self._look.trials if one.number == self._look.ranked[0])
            self.tuimon.launch_like(self.folder / best.name)

    def action_sort(self) -> None:
        """Sorts by the next column."""
        sorts = self._table.sorts
        self._table.sort_by(sorts[(sorts.index(self._table.sort) + 1) % len(sorts)])
        self._entitle()

    def action_view(self, number: int) -> None:
        """Shows one of the pictures."""
        self._plot.choose(VIEWS[number - 1])
        self._weigh = self._plot.view == "importance"
        self._read()

    def action_next_view(self) -> None:
        """Shows the next picture."""
        self.action_view((VIEWS.index(self._plot.view) + 1) % len(VIEWS) + 1)

    def action_parameter(self, by: int) -> None:
        """Shows the next parameter against the objective."""
        self._plot.step(by)

    def _entitle(self) -> None:
        if self._look is None:
            return
        plan, trials = self._look.plan, self._look.trials
        counts = Counter(one.outcome for one in trials)
        best = next((one for one in trials if self._look.ranked[:1] == [one.number]), None)
        parts = [
            f" study  {self.folder.name}",
            f"{len(trials)} trials",
            *(f"{count} {what}" for what, count in counts.most_common()),
        ]
        parts += [f"best {plan.objective.tag} {number(best.value)} ({best.name})"] if best else []
        parts += [plan.sampler, f"sorted by {self._table.sort or plan.objective.tag}"]
        self.query_one("#home-title", Static).update("  ".join(parts), layout=False)

    def _say(self, text: str) -> None:
        self.query_one("#run-detail", Static).update(f" {text}", layout=False)
