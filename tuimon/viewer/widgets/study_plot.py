"""The picture of a study: one of five."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuimon.viewer.draw import study as pictures
from tuimon.viewer.draw.rows import Row
from tuimon.viewer.widgets.drawn import Drawn
from tuimon.viewer.widgets.study_table import best_place

if TYPE_CHECKING:
    from tuimon.search.reading import Look
    from tuimon.search.space import Dimension
    from tuimon.search.study import TrialInfo

VIEWS = ("best so far", "parameter", "parallel", "importance", "curves")


class StudyPlot(Drawn, can_focus=True):
    """Shows what is best so far, a parameter against the objective, parallel coordinates, importance, or all curves."""

    def __init__(self) -> None:
        super().__init__(id="study-plot", classes="panel")
        self._look: Look | None = None
        self._marks: list[pictures.Mark] = []
        self._known: dict[int, tuple[TrialInfo, pictures.Mark]] = {}  # by number: a trial that is over stays the same object
        self._dimensions: list[Dimension] = []
        self._importance: tuple[dict[str, float], str] = ({}, "importance is computed once there are enough trials")
        self.view = VIEWS[0]
        self._parameter = 0

    def show(self, look: Look) -> None:
        """Shows a study."""
        self._look = look
        self._dimensions = look.plan.dimensions
        self._marks = [self._mark(one, look) for one in look.trials]
        self._entitle()
        self.redraw()

    def _mark(self, trial: TrialInfo, look: Look) -> pictures.Mark:
        before = self._known.get(trial.number)
        if before and before[0] is trial:
            return before[1]
        counts = trial.outcome in ("finished", "stopped")
        mark = pictures.Mark(trial.value, self._places(trial.values), look.curves.get(trial.number, ()), counts)
        self._known[trial.number] = trial, mark
        return mark

    def show_importance(self, found: tuple[dict[str, float], str]) -> None:
        """Shows how much each parameter decides."""
        self._importance = found
        self.redraw()

    def choose(self, view: str) -> None:
        """Shows another picture."""
        self.view = view
        self._entitle()
        self.redraw()

    def step(self, by: int) -> None:
        """Shows the next parameter against the objective."""
        if self.view == "parameter":
            self._parameter = (self._parameter + by) % max(len(self._dimensions), 1)
        self.choose("parameter")

    def draw(self, width: int, height: int) -> list[Row]:
        """The picture."""
        if self._look is None or not self._marks:
            return self.nothing("No trial yet.", width, height)
        low, trials = self._look.plan.objective.goal == "min", self._look.trials
        names = [one.name for one in self._dimensions]
        match self.view:
            case "parameter":
                one = self._dimensions[self._parameter]
                return pictures.against(self._marks, one.name, _ends(one), low, width, height, self.ascii)
            case "parallel":
                return pictures.parallel(self._marks, names, low, width, height, self.ascii)
            case "importance":
                return pictures.importance(*self._importance, width, height, self.ascii)
            case "curves":
                best = best_place(trials, self._look.ranked)
                return pictures.curves(self._marks, best, width, height, self.ascii)
        return pictures.best_so_far(self._marks, low, width, height, self.ascii)

    def _entitle(self) -> None:
        tag = self._look.plan.objective.tag if self._look else ""
        told = {
            "best so far": f"best {tag} so far",
            "parameter": f"{tag} by parameter",
            "parallel": f"parallel coordinates{self._some()}, the best quarter bright",
            "importance": f"what decides {tag}",
            "curves": f"{tag} of all trials, those without a value dim",
        }
        self.entitle(f"{VIEWS.index(self.view) + 1} {told[self.view]}")

    def _some(self) -> str:
        return f" of some of {len(self._marks)} trials" if len(self._marks) > pictures.MOST_CURVES else ""

    def _places(self, values: dict[str, str]) -> dict[str, float]:
        return {one.name: _place(one, values[one.name]) for one in self._dimensions if one.name in values}


def _place(one: Dimension, text: str) -> float:
    if one.kind == "choice":
        return one.choices.index(text) / max(len(one.choices) - 1, 1) if text in one.choices else float("nan")
    return one.place(float(text))


def _ends(one: Dimension) -> tuple[str, str]:
    return (one.choices[0], one.choices[-1]) if one.kind == "choice" else (one.shown(one.low), one.shown(one.high))
