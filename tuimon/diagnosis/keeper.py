"""Which checkpoints the autopilot has saved of a run that keeps none itself, to have a good place to go back to."""

from __future__ import annotations

import uuid
from typing import NamedTuple

from tuimon.diagnosis.evidence import LOSS, VALIDATION
from tuimon.log.checkpoints import best
from tuimon.log.records import Applied, CheckpointSaved, Command, Notice, Refused
from tuimon.log.store import Store

BY = "autopilot"
_GROWN = 1.1  # times as many steps as at the latest one
_SOME = 8  # losses whose mean is compared


class Forget(NamedTuple):
    """A checkpoint that nothing needs any more; `path` is relative to the run's folder."""

    path: str


Ask = Command | Notice | Forget


class Keeper:
    """Has a run's best states saved, and forgets those that are neither the first, the best nor the latest of its own.

    Args:
        every: steps between two of them, at least.
    """

    def __init__(self, every: int) -> None:
        self._every = every
        self._asked = ""
        self._at = 0  # the step of the latest
        self._events = 0
        self._own: list[CheckpointSaved] = []

    def turn(self, store: Store) -> list[Ask]:
        """What is to be saved or forgotten now."""
        for record in store.events[self._events :]:
            match record.event:
                case Applied(id=id, step=step, note=path) if id and id == self._asked:
                    self._asked, self._at = "", step
                    self._own.append(CheckpointSaved(step, path, "asked"))
                case Refused(id=id) if id and id == self._asked:
                    self._asked, self._at = "", store.step
        self._events = len(store.events)
        if forgotten := self._forgotten(store):
            return forgotten
        if self._asked or not self._is_better(store):
            return []
        self._asked = uuid.uuid4().hex
        return [Command("checkpoint", "do", by=BY, id=self._asked)]

    def _is_better(self, store: Store) -> bool:
        """Whether the run is better than it was at the latest one: on validation data, else in its training loss."""
        if store.step < max(self._at + self._every, _GROWN * self._at):
            return False
        validation, loss = store.series.get(VALIDATION), store.series.get(LOSS)
        if validation is not None and len(validation) > 1:
            return bool(validation.values[-1] < validation.values[:-1].min()) and int(validation.steps[-1]) > self._at
        if loss is None or len(loss) < 4 * _SOME:
            return False
        return bool(loss.values[-_SOME:].mean() < loss.values[-4 * _SOME : -_SOME].mean())

    def _forgotten(self, store: Store) -> list[Ask]:
        if len(self._own) < 4:
            return []
        needed = {self._own[0].path, best(self._own, store).path, self._own[-1].path}
        gone = [one for one in self._own if one.path not in needed]
        self._own = [one for one in self._own if one.path in needed]
        return [Forget(one.path) for one in gone]
