"""Feeds a viewer: a thread that reads a run's log as it grows, sends commands to the run, and notices its end.

The thread only calls the functions that it was given, and owns nothing that they build. A viewer that is slow to return from
them slows down its own feed and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import math
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from tuimon.base.errors import TuimonError, in_one_line
from tuimon.launcher.runs.standing import state_in
from tuimon.launcher.runs.status import Lifecycle, Status
from tuimon.launcher.runs.tail import open_tail
from tuimon.launcher.steering.answers import Answer, Steering
from tuimon.launcher.steering.client import client_of
from tuimon.log.batch import Batch
from tuimon.log.files import Damage
from tuimon.log.reader import RunReader
from tuimon.log.records import Command, Refused

_BATCH_BYTES = 1 << 20  # so that a viewer can draw between two batches while it catches up
CATCHING_UP = "its log is being read"  # a live run can be steered meanwhile, but its numbers are old
_LIVE_PERIOD_S = 0.1
_ASKED_PERIOD_S, _ASKED_FOR_S = 0.02, 0.3  # after a command: how often to look for its effect, and how long
_OTHER_PERIOD_S = 0.5  # a log that another framework may still be writing; a run that may be resumed


class Feed:
    """One run, followed.

    Args:
        run: its folder, or an event file.
        on_batch: takes each piece of the log, in order.
        on_answer: takes what became of each command that was sent; a `Refused` also when it could not be sent.
        on_status: takes how the run stands, whenever that changes; an end only after the last batch of the log.
        on_damage: takes each place where the log cannot be read, again when more is missing there.

    All four are called on the feed's threads. Begins at once.
    """

    def __init__(
        self,
        run: Path,
        on_batch: Callable[[Batch], None],
        *,
        on_answer: Callable[[Answer], None] | None = None,
        on_status: Callable[[Status], None] | None = None,
        on_damage: Callable[[Damage], None] | None = None,
    ) -> None:
        self.run = run
        self.status = Status("unknown")
        self._on_batch, self._on_answer, self._on_status, self._on_damage = on_batch, on_answer, on_status, on_damage
        self._reader = RunReader(run, open_tail)
        self._life = Lifecycle()
        self._client: Steering | None = None
        self._outbox: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._asked_at = -math.inf
        self._closing = False
        self._damage_told: dict[tuple[Path, int], Damage] = {}
        self._thread = threading.Thread(target=self._follow, name=f"tuimon-feed-{run.name}", daemon=True)
        self._thread.start()

    def send(self, command: Command) -> None:
        """Sends a command; returns at once. It must have an id, which its answer will carry."""
        self._asked_at = time.monotonic()
        self._outbox.put(command)
        self._wake.set()

    def close(self, timeout_s: float = 1.0) -> None:
        """Ends the feed; the run continues. Once this returns in time, nothing is called any more."""
        self._closing = True
        self._wake.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _follow(self) -> None:
        while not self._closing:
            try:
                self._deliver_commands()
                busy = self._read()
            except (OSError, TuimonError) as error:  # the folder went away, say; it may come back
                self._tell(Status("unknown", str(error)))
                busy = False
            except Exception as error:  # of this run alone: its other records, and all other runs, go on
                self._tell(Status("unknown", f"its log cannot be followed: {in_one_line(error)}"))
                busy = False
            if not busy:
                self._wake.wait(self._period_s())
                self._wake.clear()
        if self._client:
            self._client.close()
        with contextlib.suppress(OSError):
            self._reader.close()

    def _period_s(self) -> float:
        if time.monotonic() < self._asked_at + _ASKED_FOR_S:
            return _ASKED_PERIOD_S
        return _LIVE_PERIOD_S if self.status.live else _OTHER_PERIOD_S

    def _read(self) -> bool:
        """Passes on one batch; returns whether more may be there already."""
        before = state_in(self.run, self._life)
        batch = self._reader.read(_BATCH_BYTES)
        if batch:
            self._hand_on(batch)
            return _is_followed_by_more(batch) or not self.status.live
        self._tell_damage()
        self._tell(before)  # judged before the read that found nothing more, so an end comes after the last batch
        return False

    def _hand_on(self, batch: Batch) -> None:
        for record in batch.events:
            self._life.see(record)
        status = state_in(self.run, self._life)
        if status.live:
            more = _is_followed_by_more(batch)
            self._tell(dataclasses.replace(status, detail=status.detail or CATCHING_UP) if more else status)
        self._on_batch(batch)

    def _tell(self, status: Status) -> None:
        if status == self.status:
            return
        self.status = status
        if self._on_status and not self._closing:
            self._on_status(status)

    def _tell_damage(self) -> None:
        for damage in self._reader.damage:
            place = (damage.path, damage.offset)
            if self._damage_told.get(place) != damage and self._on_damage:
                self._on_damage(damage)
            self._damage_told[place] = damage

    def _deliver_commands(self) -> None:
        while not self._outbox.empty():
            command = self._outbox.get()
            try:
                self._connected().post(command, functools.partial(self._answer, command))
            except TuimonError as error:
                self._answer(command, error)

    def _connected(self) -> Steering:
        if self._client is None or self._client.closed:
            self._client = client_of(self.run, self._life)
        return self._client

    def _answer(self, command: Command, answer: Answer | TuimonError) -> None:
        if isinstance(answer, TuimonError):
            answer = Refused(step=0, lever=command.lever, value=command.value, reason=answer.message, by=command.by)
        if self._on_answer and not self._closing:
            self._on_answer(msgspec.structs.replace(answer, id=command.id))


def _is_followed_by_more(batch: Batch) -> bool:
    """Whether the batch is so large that more may be there already."""
    return batch.bytes >= _BATCH_BYTES // 2
