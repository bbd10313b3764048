"""Steers a run on another machine through the folder that both share: commands go into a file, answers come from the run's log.

For any thread of a viewer. The run looks at the file once a second, so an answer takes a second or two.
"""

from __future__ import annotations

import threading
from pathlib import Path

import msgspec

from tuimon.base import inbox
from tuimon.base.errors import TuimonError, in_one_line
from tuimon.launcher.runs.standing import state_in
from tuimon.launcher.runs.status import Lifecycle
from tuimon.launcher.steering.answers import OnAnswer
from tuimon.log.files import event_files
from tuimon.log.reader import read_part
from tuimon.log.records import Applied, Command, Refused

_LOOK_S = 0.25
_MOST_BYTES = 1 << 24  # of the log since the client was opened
_encode = msgspec.json.Encoder().encode


class ByFolder:
    """The way to one run through its folder. Thread-safe; a thread of its own looks for answers while some are expected.

    Args:
        run: the run's folder.
        life: the events that decide its state.
    """

    def __init__(self, run: Path, life: Lifecycle) -> None:
        self._run, self._life = run, life
        self._log = next((path for path in reversed(event_files(run)) if path.suffix == ".run"), None)
        self._from = self._log.stat().st_size if self._log else 0
        self._waiting: dict[str, OnAnswer] = {}
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closing.is_set()

    def post(self, command: Command, on_answer: OnAnswer) -> None:
        """Sends a command, which must have an id; `on_answer` is called once, on the looking thread. Never raises."""
        with self._lock:
            self._waiting[command.id] = on_answer
        try:
            inbox.put(self._run, _encode(command))
        except TuimonError as error:
            with self._lock:
                self._waiting.pop(command.id, None)
            on_answer(error)
            return
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._listen, name="tuimon-answers", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Ends it; commands without an answer get a TuimonError."""
        self._closing.set()
        self._fail_all("The way to the run was closed.")

    def _listen(self) -> None:
        try:
            while self._waiting and not self._closing.wait(_LOOK_S):
                status = state_in(self._run, self._life)  # before the log, which is complete once the run has ended
                self._look()
                if not (status.live or status.state == "unknown") or self._life.ended:
                    self._fail_all("The run ended before it answered.")
        except Exception as error:
            self._fail_all(f"The run's answers cannot be read: {in_one_line(error)}")

    def _look(self) -> None:
        if self._log is None:
            return
        batch = read_part(self._log, self._from, _MOST_BYTES)
        for record in batch.events:
            self._life.see(record)
            if isinstance(record.event, Applied | Refused):
                with self._lock:
                    waiting = self._waiting.pop(record.event.id, None)
                if waiting:
                    waiting(record.event)

    def _fail_all(self, reason: str) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for on_answer in waiting.values():
            on_answer(TuimonError(reason))
