"""Runs a search: keeps its slots filled with trials, ends those that are lost, and tells the study what each was worth.

One thread, one loop. The trials are ordinary runs that outlive the search; one that goes on later, or beside it, takes over
what nobody follows any more.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tuimon.base.errors import TuimonError
from tuimon.launcher.places.place import Gathered
from tuimon.log.files import event_files
from tuimon.search.flight import Flight, Slot, take_off
from tuimon.search.plan import Budget, Plan

if TYPE_CHECKING:
    from tuimon.search.study import Outcome, Study, TrialInfo

_TICK_S = 0.1
_LOOK_AROUND_S = 5.0  # for trials whose search has ended
_OWNERLESS_S = 30.0  # until a trial that no search has put its name to counts as left behind


class Search:
    """One search process.

    Args:
        folder: the study's folder.
        plan: its plan.
        study: its trials.
        budget: when to start no more trials; the number of trials is the study's.
        slots: one for each trial at a time.
        say: takes a line for the user.
        ended: takes each trial that this search has told the study of.
    """

    def __init__(
        self,
        folder: Path,
        plan: Plan,
        study: Study,
        budget: Budget,
        slots: Sequence[Slot],
        say: Callable[[str], None],
        ended: Callable[[TrialInfo], None],
    ) -> None:
        self._folder, self._plan, self._study, self._budget = folder, plan, study, budget
        self._slots, self._say, self._ended = list(slots), say, ended
        self._flights: list[Flight] = []
        self._ownerless: dict[int, float] = {}
        self._began, self._next_look = time.monotonic(), 0.0
        self._closing = ""  # why no more trials are started
        self._interrupts = self._served = 0

    def interrupt(self, *_: object) -> None:
        """Ctrl-C: the first starts no more trials, the second stops those in flight, the third leaves them. Signal-safe."""
        self._interrupts += 1

    @property
    def interrupted(self) -> bool:
        """Whether the user has ended it."""
        return self._interrupts > 0

    def run(self) -> None:
        """Searches until the budget is used up, or the user ends it.

        Raises:
            TuimonError: the journal cannot be written.
        """
        try:
            while self._interrupts < 3:
                self._serve_interrupts()
                self._look_around()
                for flight in list(self._flights):
                    self._follow(flight)
                self._fill()
                if not self._flights and (self._is_closing() or self._study.used_up):
                    return
                time.sleep(_TICK_S)
        finally:
            for flight in self._flights:
                flight.close()
        names = ", ".join(flight.run.name for flight in self._flights)
        if names:
            self._say(f"still training by themselves: {names}; the next search goes on with them")

    def _serve_interrupts(self) -> None:
        if self._interrupts == self._served:
            return
        self._served = self._interrupts
        if self._served == 1:
            self._closing = "interrupted"
            if self._flights:
                self._say(f"no more trials start; waiting for {len(self._flights)} in flight (Ctrl-C again: stop them)")
            return
        self._say("stopping the trials in flight; the next search tries their values again (Ctrl-C again: leave them)")
        for flight in self._flights:
            flight.end("interrupted", "the search was stopped")

    def _look_around(self) -> None:
        """Takes over trials whose search has ended."""
        if time.monotonic() < self._next_look:
            return
        self._next_look = time.monotonic() + _LOOK_AROUND_S
        mine = {flight.number for flight in self._flights}
        for trial in self._study.orphans():
            if trial.number in mine or not self._is_left_behind(trial):
                continue
            run = self._folder / trial.name
            if event_files(run):
                self._study.take_over(trial.number)
                self._say(f"{trial.name}: its search was killed; this one goes on with it")
                self._flights.append(Flight(trial.number, run, None))
            elif self._study.tell(trial.number, "unstarted", why="its search was killed before it began"):
                self._say(f"{trial.name}: its search was killed before it began")
                if trial.values:
                    self._study.again(trial.number)

    def _is_left_behind(self, trial: TrialInfo) -> bool:
        if trial.owner is not None:
            return True
        now = time.monotonic()
        return now - self._ownerless.setdefault(trial.number, now) >= _OWNERLESS_S

    def _follow(self, flight: Flight) -> None:
        live = flight.look()
        self._report(flight)
        outcome, why = flight.trouble()
        if live and outcome:
            flight.end(outcome, why)
        if not live:
            self._land(flight)

    def _report(self, flight: Flight) -> None:
        curve = flight.curve(self._plan.objective.tag)
        for nth in range(flight.reported + 1, len(curve) + 1):
            why = self._study.report(flight.number, nth, curve[nth - 1])
            if why:
                flight.end("pruned", why)
        flight.reported = len(curve)

    def _land(self, flight: Flight) -> None:
        outcome, value, why = flight.result(self._plan.objective)
        self._flights.remove(flight)
        flight.close()
        self._tell(flight.number, outcome, value, why)  # type: ignore[arg-type]
        if outcome == "interrupted":
            self._study.again(flight.number)

    def _tell(self, number: int, outcome: Outcome, value: float, why: str) -> None:
        if not self._study.tell(number, outcome, value, why):
            return
        trial = next(one for one in self._study.trials() if one.number == number)
        self._ended(trial)
        until = self._budget.until
        if until is not None and not math.isnan(value) and not self._plan.objective.better(until, value):
            self._closing = self._closing or f"{trial.name} has reached {value:.4g}"

    def _is_closing(self) -> bool:
        lasted, most = time.monotonic() - self._began, self._budget.seconds
        if not self._closing and most is not None and lasted >= most:
            self._closing = "the time is used up"
        return bool(self._closing)

    def _fill(self) -> None:
        """Starts trials in the free slots; one that cannot be started is told as failed, and the next is tried."""
        free = self._free()
        started: list[Flight] = []
        engine = self._slots[0].place
        together = Gathered(engine) if engine.elsewhere else None
        while free and not self._is_closing() and self._interrupts == self._served:
            trial = self._study.ask()
            if trial is None:
                break
            slot = free[0]._replace(place=together) if together else free[0]
            try:
                run = take_off(self._folder, self._plan, trial.name, trial.values, slot)
            except TuimonError as error:
                self._tell(trial.number, "failed", math.nan, error.message)
                continue
            started.append(Flight(trial.number, run, free.pop(0)))
        if together:
            self._send(together, started)
        self._flights += started

    def _send(self, together: Gathered, flights: Sequence[Flight]) -> None:
        """Hands trials to their engine. Where that fails, the next search tries their values again.

        Raises:
            TuimonError: they cannot be started there.
        """
        try:
            together.send()
        except TuimonError as error:
            for flight in flights:
                if self._study.tell(flight.number, "unstarted", why=error.message):
                    self._study.again(flight.number)
            raise

    def _free(self) -> list[Slot]:
        """The slots without a trial."""
        busy = [flight.slot for flight in self._flights]
        free = list(self._slots)
        for slot in busy:
            if slot in free:
                free.remove(slot)
            elif free:  # one that was taken over
                free.pop()
        return free
