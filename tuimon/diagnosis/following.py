"""The findings of a log while it is being read: those that it carries, or else those of the engine.

For whoever follows a run, live or afterwards, on the thread that owns its store.
"""

from __future__ import annotations

from tuimon.diagnosis.diagnosis import Diagnosis
from tuimon.diagnosis.history import diagnoses_itself, findings_of, in_order, merged
from tuimon.log.batch import Batch, EventRecord
from tuimon.log.records import Finding
from tuimon.log.store import Store


class Following:
    """Follows one run.

    Args:
        store: takes each batch before this does.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._engine = Diagnosis()
        self._told: list[Finding] = []
        self._seen = -1
        self._known: list[Finding] = []

    def take(self, batch: Batch) -> list[EventRecord]:
        """Takes in a batch; returns what has come or gone, where the log does not say so itself."""
        if batch.places is None or diagnoses_itself(self._store) or self._is_not_started:
            return []
        return self._note(self._engine.take(batch))

    def finish(self) -> list[EventRecord]:
        """Looks once more, at all that was read; returns what that shows, as `take` does."""
        return [] if diagnoses_itself(self._store) or self._is_not_started else self._note(self._engine.look())

    @property
    def findings(self) -> list[Finding]:
        """Each finding once, as `diagnose` orders them. The same list until they change."""
        if diagnoses_itself(self._store):
            if self._seen != len(self._store.findings):
                self._seen, self._known = len(self._store.findings), findings_of(self._store.events)
            return self._known
        return self._known

    @property
    def _is_not_started(self) -> bool:
        """Whether this is a run of tuimon's that has not described itself yet."""
        return self._store.launched is not None and self._store.started is None

    def _note(self, told: list[Finding]) -> list[EventRecord]:
        if told:
            self._told += told
            self._known = in_order(merged(self._told))
        return [EventRecord(record_step(finding), self._store.last_wall, finding) for finding in told]


def record_step(finding: Finding) -> int:
    """The step at which a finding is told: when it is raised, or cleared."""
    return finding.raised if finding.cleared is None else finding.cleared


def headline(finding: Finding) -> str:
    """A finding in one line, for lists of events: that it has come, or that it has gone."""
    if finding.cleared is None:
        because = f" (because of {finding.explained_by})" if finding.explained_by else ""
        return finding.text + because
    where = f" at {finding.layer}" if finding.layer else ""
    return f"over since step {finding.cleared}: {finding.rule}{where}"
