"""A supervisor's ticket: waits until the run's turn has come, and holds its place on the device until the run is over."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tuimon.base.format import gib
from tuimon.base.process import Process, this_process
from tuimon.launcher.places.memory import memory_of
from tuimon.launcher.places.queue import Queue, Ticket, no_queue

_LOOK_S, _MOST_S = 0.5, 5.0  # between two looks at the queue: of the next run, and of one far behind
_POLL_S = 0.25  # how soon a stop is noticed


class Turn:
    """One run's turn.

    Args:
        run: its folder.
        queue: what it waits for: `slots` and `memory_bytes` as in `Ticket`, and `devices`, by label, each with the environment
            variables that select it; None: nothing.
        device: the label of its device, if it does not wait; empty: it may use any.
        give_up: whether to stop waiting.
    """

    def __init__(self, run: Path, queue: Mapping[str, Any] | None, device: str, give_up: Callable[[], bool]) -> None:
        self._queue, self._wanted, self._give_up = Queue(), queue or {}, give_up
        self._devices: dict[str, dict[str, str]] = dict(self._wanted.get("devices", {}))
        self._ticket = Ticket(
            str(run.absolute()),
            this_process(),
            devices=tuple(self._devices) or ((device,) if device else ()),
            slots=int(self._wanted.get("slots", 0)),
            memory_bytes=int(self._wanted.get("memory_bytes", 0)),
        )

    @property
    def waits(self) -> bool:
        """Whether the run has to wait for its turn."""
        return bool(self._wanted)

    @property
    def wants(self) -> str:
        """What it waits for, for the user."""
        memory = f" with {gib(self._ticket.memory_bytes)} of memory" if self._ticket.memory_bytes else ""
        return " or ".join(self._devices) + memory

    def take(self) -> None:
        """Holds a place without waiting. Where there is no queue, nobody can count this run, and it trains all the same."""
        with contextlib.suppress(OSError):
            self._queue.put(self._ticket)

    def join(self) -> None:
        """Goes to the end of the queue.

        Raises:
            TuimonError: its folder cannot be used.
        """
        try:
            self._ticket = self._queue.join(self._ticket)
        except OSError as error:
            raise no_queue(error) from error

    def wait(self) -> bool:
        """Waits for the run's turn; False if it was taken out of the queue, or the supervisor was asked to stop."""
        while not self._give_up():
            with contextlib.suppress(OSError):  # a full disk, a network file system that is away: it is there later
                own = self._queue.take_turn(self._ticket.supervisor, self._room)
                if own is None:
                    return False
                self._ticket = own
                if not own.waits:
                    return True
            self._pause()
        self._queue.leave(self._ticket)
        return False

    def with_device(self, details: Mapping[str, Any]) -> dict[str, Any]:
        """The supervisor's details with the device whose turn it is."""
        device = self._ticket.devices[0]
        return {**details, "device": device, "environment": {**self._devices[device], **details.get("environment", {})}}

    def started(self, training: Process) -> None:
        """Keeps the place for as long as the training process lives, even if this one is killed."""
        self._ticket = msgspec.structs.replace(self._ticket, training=training)
        self.take()

    def leave(self) -> None:
        """Gives the place to others."""
        self._queue.leave(self._ticket)

    def _pause(self) -> None:
        """Those far behind look less often, so that a long queue costs no more than a short one."""
        ahead = sum(other.order < self._ticket.order for other in self._queue.waiting())
        until = time.monotonic() + min(_LOOK_S * (1 + ahead), _MOST_S)
        while time.monotonic() < until and not self._give_up() and self._queue.has(self._ticket):
            time.sleep(_POLL_S)

    def _room(self, device: str, reserved: int) -> int | None:
        memory = memory_of(device, self._devices[device])
        return memory.room(reserved) if memory else None
