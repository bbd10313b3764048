"""Looks at a study that others search: its trials, their curves, and what decides. For one thread at a time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.search.plan import JOURNAL_FILE, Plan, read_plan

if TYPE_CHECKING:
    from tuimon.search.study import Study, TrialInfo

Stamp = tuple[int, int]  # of the journal: its size, and when it was written


class Look(NamedTuple):
    """What a study holds: its trials by number, the curve of each, and the numbers of those with a value, the best first."""

    plan: Plan
    trials: list[TrialInfo]
    curves: dict[int, list[float]]
    ranked: list[int]


class StudyReader:
    """Reads one study again and again.

    Args:
        folder: the study's folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._study: Study | None = None
        self._plan: Plan | None = None
        self._seen: Stamp | None = None

    def look(self) -> Look | None:
        """What it holds now; None if that has not changed since the last look.

        Raises:
            TuimonError: it cannot be read, or Optuna is not installed.
        """
        stamp = self._stamp()
        if stamp == self._seen:
            return None
        study, plan = self._opened()
        found = Look(plan, study.trials(), study.curves(), [one.number for one in study.ranked()])
        self._seen = stamp
        return found

    def importance(self) -> tuple[dict[str, float], str]:
        """As `Study.importance`."""
        return self._opened()[0].importance()

    def prune(self, number: int) -> bool:
        """Ends a trial in the study, as pruned by the user; its run has to be stopped, too. False if it is over."""
        return self._opened()[0].tell(number, "pruned", why="by the user")

    def _opened(self) -> tuple[Study, Plan]:
        if self._study is None or self._plan is None:
            try:
                from tuimon.search.study import Study
            except ImportError as error:
                hint = 'Install it: pip install "tuimon[search]"'
                raise TuimonError("Cannot read the study: Optuna is not installed.", hint) from error
            self._plan = read_plan(self.folder)
            self._study = Study(self.folder, self._plan, "", say=lambda _: None, looks=True)
        return self._study, self._plan

    def _stamp(self) -> Stamp:
        try:
            found = (self.folder / JOURNAL_FILE).stat()
        except OSError as error:
            raise TuimonError(f"Cannot read the study {self.folder}: {error.strerror}.") from error
        return found.st_size, found.st_mtime_ns
