"""One trial in flight: starts its run, follows its log, and tells when it should end and what it was worth. Knows no Optuna."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.base.regular import open_regular
from tuimon.launcher.places.local import HERE
from tuimon.launcher.places.place import Place
from tuimon.launcher.runs.glance import judge
from tuimon.launcher.runs.loss import loss_tag
from tuimon.launcher.runs.status import Status
from tuimon.launcher.start.start import start, start_program
from tuimon.launcher.steering.stop import stop
from tuimon.launcher.supervisor.output import OUTPUT
from tuimon.log.reader import RunReader
from tuimon.log.records import Finding
from tuimon.log.store import Store
from tuimon.search.plan import BASE_FILE, Objective, Plan
from tuimon.spec.loading import load_spec

_OUTPUT_BYTES = 1 << 14


class Slot(NamedTuple):
    """Where one trial at a time trains: its device (None: as the spec says), its CPU threads (0: any), and the engine."""

    device: str | None = None
    threads: int = 0
    place: Place = HERE

    @property
    def environment(self) -> dict[str, str]:
        """The variables that keep a trial to its threads."""
        return {"TUIMON_THREADS": str(self.threads)} if self.threads else {}

    @property
    def environment_of_program(self) -> dict[str, str]:
        """The same for a user's program, which knows only OpenMP's."""
        return {"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}


def take_off(study: Path, plan: Plan, name: str, values: Mapping[str, str], slot: Slot) -> Path:
    """Starts a trial's run in the study's folder.

    Raises:
        TuimonError: its values cannot be trained, or it cannot be started.
    """
    cwd = Path(plan.cwd) if plan.cwd else None
    if plan.program:
        words = [_filled(word, values) for word in plan.program]
        more = slot.environment_of_program
        return start_program(
            words,
            runs_dir=study,
            name=name,
            device=slot.device,
            cwd=cwd,
            environment=more,
            place=slot.place,
            trusted=True,
        )
    spec = load_spec(study / BASE_FILE, [f"{key}={value}" for key, value in values.items()])
    return start(
        spec,
        runs_dir=study,
        name=name,
        device=slot.device,
        cwd=cwd,
        environment=slot.environment,
        place=slot.place,
        trusted=True,
    )


def _filled(word: str, values: Mapping[str, str]) -> str:
    for name, value in values.items():
        word = word.replace(f"{{{name}}}", value)
    return word


class Flight:
    """A trial's run, live or ended.

    Args:
        number: the trial's.
        run: the run's folder.
        slot: where it trains; None for one that another search has started.

    Attributes:
        ending: why it was told to end: the outcome, and the reason; None while it may go on.
        reported: how many values of its curve have been reported.
    """

    def __init__(self, number: int, run: Path, slot: Slot | None) -> None:
        self.number, self.run, self.slot = number, run, slot
        self.ending: tuple[str, str] | None = None
        self.reported = 0
        self._reader, self._store = RunReader(run), Store()
        self._status = Status("starting")

    def look(self) -> bool:
        """Reads what is new; returns whether the run is live."""
        _, self._status = judge(self.run)  # before the log, which is complete once the run has ended
        while batch := self._reader.read():
            self._store.apply(batch)
        return self._status.live

    def curve(self, tag: str) -> list[float]:
        """Its values of a tag so far."""
        return [float(value) for value in self._store[tag].values] if tag in self._store else []

    def trouble(self) -> tuple[str, str]:
        """Why its training is lost: `diverged` and the loss that is not finite, or `broken` and what the diagnosis says.

        Empty texts while it is not.
        """
        for tag in dict.fromkeys((loss_tag(self._store), "loss/val")):
            if tag in self._store and len(self._store[tag]) and not math.isfinite(self._store[tag].last):
                return "diverged", f"{tag} is {self._store[tag].last} at step {int(self._store[tag].steps[-1])}"
        last: dict[tuple[str, str], Finding] = {}
        for record in self._store.findings:
            if isinstance(record.event, Finding):
                last[record.event.rule, record.event.layer] = record.event
        lost = next((one.text for one in last.values() if one.severity == "critical" and one.cleared is None), "")
        return ("broken", lost) if lost else ("", "")

    def end(self, outcome: str, why: str) -> None:
        """Asks the run to stop, without waiting; the first reason counts."""
        if self.ending is None:
            self.ending = (outcome, why)
            threading.Thread(target=self._stop, name="tuimon-stop", daemon=True).start()

    def result(self, objective: Objective) -> tuple[str, float, str]:
        """The outcome of a run that has ended, its value (NaN if it has none), and why it has none."""
        value = objective.value(self.curve(objective.tag))
        state = self._status.state
        if self.ending is not None:
            return self.ending[0], value, self.ending[1]
        if state == "failed":
            return "failed", math.nan, self._last_words() or self._status.detail
        if state not in ("finished", "stopped"):
            return "killed", math.nan, f"{state} {self._status.detail}".rstrip()
        outcome, why = self.trouble()
        if outcome:
            return outcome, math.nan, why
        if math.isnan(value):
            return "failed", math.nan, self._without(objective.tag)
        return state, value, "stopped by somebody" if state == "stopped" else ""

    def close(self) -> None:
        """Closes its files."""
        self._reader.close()

    def _without(self, tag: str) -> str:
        logged = sorted(name for name in self._store if not name.startswith("system/"))
        has = f"it has {', '.join(logged[:8])}" if logged else self._status.detail or "it logged nothing"
        return f"its log has no {tag}; {has}"

    def _last_words(self) -> str:
        """The last line that it printed: of a traceback, the error."""
        with contextlib.suppress(OSError), open_regular(self.run / OUTPUT) as file:
            file.seek(max(0, file.seek(0, 2) - _OUTPUT_BYTES))
            lines = file.read().decode(errors="replace").split("\n")
            return next((line.strip() for line in reversed(lines) if line.strip()), "")
        return ""

    def _stop(self) -> None:
        try:
            stop(self.run)
        except TuimonError:  # it does not listen, or has ended by itself
            with contextlib.suppress(TuimonError):
                stop(self.run, now=True)
