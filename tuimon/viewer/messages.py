"""Messages from other threads to the app: from the feeds, and from the worker that stops a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from textual.message import Message

from tuimon.base.errors import TuimonError

if TYPE_CHECKING:
    from tuimon.launcher.runs.status import Status
    from tuimon.log.batch import Batch
    from tuimon.log.files import Damage
    from tuimon.viewer.opened import Answer


class BatchRead(Message):
    """A feed read a batch. It holds records, so it never replaces another one."""

    def __init__(self, path: Path, batch: Batch) -> None:
        self.path, self.batch = path, batch
        super().__init__()


class AnswerCame(Message):
    """A run answered a command."""

    def __init__(self, path: Path, answer: Answer) -> None:
        self.path, self.answer = path, answer
        super().__init__()


class StatusChanged(Message):
    """A run's status changed."""

    def __init__(self, path: Path, status: Status) -> None:
        self.path, self.status = path, status
        super().__init__()


class DamageFound(Message):
    """A log is damaged."""

    def __init__(self, path: Path, damage: Damage) -> None:
        self.path, self.damage = path, damage
        super().__init__()


class StopAnswered(Message):
    """A request to stop was accepted or failed."""

    def __init__(self, text: str, error: TuimonError | None = None) -> None:
        self.text, self.error = text, error
        super().__init__()


class Restarted(Message):
    """A run was started again, or not; `trusted` starts it although it would run another user's files."""

    def __init__(
        self, path: Path, started: Path | None, error: TuimonError | None = None, trusted: Callable[[], object] | None = None
    ) -> None:
        self.path, self.started, self.error, self.trusted = path, started, error, trusted
        super().__init__()
