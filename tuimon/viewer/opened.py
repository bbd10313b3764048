"""A run that is open on the screen: its feed, its store and what was asked of it.

The feed's threads only post; everything here belongs to the screen's own thread. Knows no widget.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from tuimon.diagnosis import diagnose
from tuimon.launcher.feed import CATCHING_UP, Feed
from tuimon.launcher.runs.status import Status
from tuimon.launcher.steering.commands import author
from tuimon.log.batch import EventRecord
from tuimon.log.records import Applied, Command, Finding, LeverInfo, Refused
from tuimon.log.store import Store

if TYPE_CHECKING:
    from tuimon.log.batch import Batch
    from tuimon.log.files import Damage

Answer = Applied | Refused
UNREAD = Status("unknown", CATCHING_UP)


class Listener(Protocol):
    """Who is told of what a feed found; called on the feed's threads."""

    def batch_read(self, path: Path, batch: Batch) -> None:
        """A piece of the log."""

    def answer_came(self, path: Path, answer: Answer) -> None:
        """What became of a command."""

    def status_changed(self, path: Path, status: Status) -> None:
        """How the run stands now."""

    def damage_found(self, path: Path, damage: Damage) -> None:
        """Where the log cannot be read."""


@dataclasses.dataclass(slots=True)
class OpenRun:
    """One run with its feed. `asked` holds the commands that no answer has come for, by id, in the order of asking."""

    path: Path
    store: Store
    feed: Feed
    status: Status = UNREAD
    asked: dict[str, Command] = dataclasses.field(default_factory=dict)
    _diagnosis: Store = dataclasses.field(default_factory=Store)
    _diagnosed_version: int = -1

    @property
    def name(self) -> str:
        """The run's name: that of its folder."""
        return self.path.name

    def send(self, command: Command) -> Command:
        """Sends a command on its way and returns it as sent, with its id."""
        sent = msgspec.structs.replace(command, id=uuid.uuid4().hex, by=author())
        self.asked[sent.id] = sent
        self.feed.send(sent)
        return sent

    def settle(self, answer: Answer) -> Command | None:
        """The command that an answer is for; None when it was settled before, or was not ours."""
        return self.asked.pop(answer.id, None)

    def why_not(self, lever: str) -> str:
        """Why a lever cannot be moved; empty when it can."""
        if not self.status.live:
            return f"{self.name} is not training: it is {self.status.state}"
        return why_no_lever(self.store.levers, lever)

    def diagnosed(self) -> Store:
        """A store that holds the findings alone: those of the log and those of the rules. Another one when they change.

        The rules look at whole series: not to be asked at each drawing.
        """
        if self._diagnosed_version == self.store.version:
            return self._diagnosis
        self._diagnosed_version = self.store.version
        found = [EventRecord(finding.step, self.store.last_wall, finding) for finding in reversed(diagnose(self.store))]
        findings = [*self.store.findings, *found]
        if findings_in(findings) != findings_in(self._diagnosis.findings):
            self._diagnosis = Store()
            self._diagnosis.findings = findings
        return self._diagnosis

    def newest_remedy(self) -> Finding | None:
        """The gravest, newest finding that a lever can mend."""
        known = findings_in(self._diagnosis.findings)
        return next((finding for finding in reversed(known) if finding.remedy), None)

    def close(self) -> None:
        """Stops following the run. The run itself does not notice."""
        self.feed.close()


def open_run(path: Path, listener: Listener) -> OpenRun:
    """Begins to follow a run.

    Raises:
        TuimonError: there is none.
    """
    feed = Feed(
        path,
        lambda batch: listener.batch_read(path, batch),
        on_answer=lambda answer: listener.answer_came(path, answer),
        on_status=lambda status: listener.status_changed(path, status),
        on_damage=lambda damage: listener.damage_found(path, damage),
    )
    return OpenRun(path, Store(), feed)


def findings_in(records: Iterable[EventRecord]) -> list[Finding]:
    """The findings alone, without when they were written."""
    return [record.event for record in records if isinstance(record.event, Finding)]


def why_no_lever(levers: dict[str, LeverInfo], name: str) -> str:
    """Why a run has no such lever, in words that say what to do; empty when it has it."""
    if name in levers:
        return ""
    if not levers:
        return "this run has no levers yet: its training process has not attached"
    return _WHY_MISSING.get(name, f"this run has no lever {name}; it has {', '.join(levers)}")


_WHY_MISSING = {
    "lr_scale": "this run's optimizer has no learning rate to change",
    "weight_decay": "this run's optimizer has no weight decay",
    "dropout": "this run's model has no dropout layer",
    "regularization": "this run has no regularizer to switch",
}
