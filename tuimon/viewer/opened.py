"""An open run: its feed, its store, and the commands sent to it.

The feed's threads only post messages; everything here runs on the main thread. Knows no widget.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec

from tuimon.base.plain import one_line
from tuimon.diagnosis.following import Following, record_step
from tuimon.diagnosis.remedies import first_that_can
from tuimon.launcher.feed import CATCHING_UP, Feed
from tuimon.launcher.runs.status import Status
from tuimon.launcher.steering.commands import author
from tuimon.log.batch import EventRecord
from tuimon.log.records import Applied, Command, Finding, LeverInfo, Refused, Remedy
from tuimon.log.store import Store

if TYPE_CHECKING:
    from tuimon.log.batch import Batch
    from tuimon.log.files import Damage

Answer = Applied | Refused
UNREAD = Status("unknown", CATCHING_UP)


class Listener(Protocol):
    """Receives what a feed reads. Called on the feed's threads."""

    def batch_read(self, path: Path, batch: Batch) -> None:
        """A piece of the log was read."""

    def answer_came(self, path: Path, answer: Answer) -> None:
        """A command was answered."""

    def status_changed(self, path: Path, status: Status) -> None:
        """The run's status changed."""

    def damage_found(self, path: Path, damage: Damage) -> None:
        """The log is damaged."""


@dataclasses.dataclass(slots=True)
class OpenRun:
    """One run with its feed.

    Attributes:
        asked: the commands still waiting for an answer, by id, oldest first.
        seen_live: whether the run trained while it was open here.
    """

    path: Path
    store: Store
    feed: Feed
    status: Status = UNREAD
    seen_live: bool = False
    called: str = ""
    asked: dict[str, Command] = dataclasses.field(default_factory=dict)
    _following: Following = dataclasses.field(init=False)
    _diagnosis: Store = dataclasses.field(default_factory=Store)

    def __post_init__(self) -> None:
        """Begins with what the store has."""
        self._following = Following(self.store)

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.called or self.path.name

    def send(self, command: Command) -> Command:
        """Sends a command and returns it with its id."""
        sent = msgspec.structs.replace(command, id=uuid.uuid4().hex, by=author())
        self.asked[sent.id] = sent
        self.feed.send(sent)
        return sent

    def settle(self, answer: Answer) -> Command | None:
        """Returns the command that this answer is for; None if it was already answered or sent by someone else."""
        return self.asked.pop(answer.id, None)

    def take(self, batch: Batch) -> None:
        """Adds what was read of the log."""
        self.store.apply(batch)
        self._following.take(batch)

    def damaged(self, damage: Damage) -> None:
        """Notes where the log cannot be read."""
        known = [other for other in self.store.damage if (other.path, other.offset) != (damage.path, damage.offset)]
        self.store.damage = [*known, damage]
        self.store.version += 1

    def why_not(self, lever: str) -> str:
        """Why a lever cannot be moved; empty if it can."""
        if not self.status.live:
            return f"{self.name} is not training: it is {self.status.state}"
        return why_no_lever(self.store.levers, lever)

    @property
    def findings(self) -> list[Finding]:
        """The findings, those that hold and matter most first; the same list until they change."""
        return self._following.findings

    def diagnosed(self) -> Store:
        """A store with only the findings. A new object whenever they change."""
        if findings_in(self._diagnosis.findings) != self.findings:
            self._diagnosis = Store()
            walls = self.store.last_wall
            self._diagnosis.findings = [EventRecord(record_step(finding), walls, finding) for finding in self.findings]
        return self._diagnosis

    def first_remedy(self) -> Remedy | None:
        """The first remedy that the run can apply, of the first finding that holds and has one."""
        holding = (finding for finding in self.findings if finding.cleared is None)
        found = (first_that_can(finding, self.store.levers) for finding in holding)
        return next((remedy for remedy in found if remedy), None)

    def parting(self) -> str:
        """The line for the shell when the user leaves the screen: how to come back to the run, or how it ended."""
        if self.status.live:
            return f"{self.name} is still training. Reattach with: tuimon attach {self.name}"
        return f"{self.name}: {self.status.state}" + (f", {one_line(self.status.detail)}" if self.status.detail else "")

    def close(self) -> None:
        """Stops following the run, without waiting: its disk may hang. The run itself is not affected."""
        self.feed.close(timeout_s=0)


def open_run(path: Path, listener: Listener, name: str = "") -> OpenRun:
    """Starts following a run; `name` is what it is called, by default its folder's name.

    Raises:
        TuimonError: there is no such run.
    """
    feed = Feed(
        path,
        lambda batch: listener.batch_read(path, batch),
        on_answer=lambda answer: listener.answer_came(path, answer),
        on_status=lambda status: listener.status_changed(path, status),
        on_damage=lambda damage: listener.damage_found(path, damage),
    )
    return OpenRun(path, Store(), feed, called=name)


def findings_in(records: Iterable[EventRecord]) -> list[Finding]:
    """The findings without their timestamps."""
    return [record.event for record in records if isinstance(record.event, Finding)]


def why_no_lever(levers: dict[str, LeverInfo], name: str) -> str:
    """Why a run does not have this lever, and what to do; empty if it has it."""
    if name in levers:
        return ""
    if not levers:
        return "this run has no levers yet: training has not started"
    return _WHY_MISSING.get(name, f"this run has no lever {name}; it has {', '.join(levers)}")


_WHY_MISSING = {
    "lr_scale": "this run's optimizer has no learning rate to change",
    "weight_decay": "this run's optimizer has no weight decay",
    "dropout": "this run's model has no dropout layer",
    "regularization": "this run has no regularizer to switch",
}
