"""The user's runs on this machine, and which of them may start next. No daemon: each run's supervisor looks for itself.

Every run has a ticket, a small file in `$XDG_STATE_HOME/tuimon/queue/HOST` (else `~/.local/state/…`), which lasts as long as
its supervisor or its training process. Supervisors of waiting runs look at the tickets every now and then; a lock on the folder
lets one at a time decide that its run's turn has come. Nothing here knows files or sockets of a run, or torch.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.here import user_folder
from tuimon.base.outside import json_decoder
from tuimon.base.process import Process, host_name, is_alive

_LOCK = "queue.lock"


class Ticket(msgspec.Struct, frozen=True, omit_defaults=True):
    """One run's place in the queue, or on a device.

    Attributes:
        run: its folder.
        supervisor: the process that waits for its turn, or follows its training.
        devices: labels of the devices that it may train on, or of the one it trains on; none: it may use any.
        waits: whether its turn has not come.
        order: the lowest waiting one of those that want the same device is next.
        slots: how many runs, with its own, may train on its device; 0: any number.
        memory_bytes: how much of its device's memory it needs; 0: not known.
        training: the training process; None until it is started.
    """

    run: str
    supervisor: Process
    devices: tuple[str, ...] = ()
    waits: bool = False
    order: float = 0.0
    slots: int = 0
    memory_bytes: int = 0
    training: Process | None = None

    @property
    def lives(self) -> bool:
        """Whether its run waits or trains."""
        return bool(is_alive(self.supervisor) or (self.training and is_alive(self.training)))


_decode: Callable[[str | bytes], Ticket] = json_decoder(Ticket)


class Queue:
    """The tickets of the user's runs on this machine.

    Args:
        folder: where they are; None: in the user's state folder.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or _usual_folder()

    def tickets(self) -> list[Ticket]:
        """The tickets of all live runs, in their order."""
        found = []
        for path in self._files():
            ticket = _read(path)
            if ticket and ticket.lives:
                found.append(ticket)
            elif ticket:
                with contextlib.suppress(OSError):  # nobody else would take it away
                    path.unlink()
        return sorted(found, key=lambda ticket: ticket.order)

    def waiting(self) -> list[Ticket]:
        """Those whose turn has not come, the next first."""
        return [ticket for ticket in self.tickets() if ticket.waits]

    def put(self, ticket: Ticket) -> None:
        """Writes a ticket, whole or not at all. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._path(ticket)
        new = path.with_suffix(".new")
        new.write_bytes(msgspec.json.encode(ticket))
        new.replace(path)

    def join(self, ticket: Ticket) -> Ticket:
        """Puts a ticket at the end of the queue, and returns it with its order. Raises OSError."""
        with self.locked():
            last = max((other.order for other in self.tickets()), default=0.0)
            ticket = msgspec.structs.replace(ticket, waits=True, order=last + 1)
            self.put(ticket)
        return ticket

    def leave(self, ticket: Ticket) -> None:
        """Takes a ticket away."""
        with contextlib.suppress(OSError):
            self._path(ticket).unlink()

    def has(self, ticket: Ticket) -> bool:
        """Whether a ticket has not been taken away."""
        return self._path(ticket).exists()

    def move(self, run: Path, first: bool) -> bool:
        """Puts a waiting run first or last; False if it does not wait. Raises OSError."""
        with self.locked():
            waiting = self.waiting()
            found = _of(run, waiting)
            if found is None:
                return False
            order = waiting[0].order - 1 if first else waiting[-1].order + 1
            self.put(msgspec.structs.replace(found, order=order))
        return True

    def cancel(self, run: Path) -> bool:
        """Takes a waiting run out of the queue, which its supervisor will notice; False if it does not wait. Raises OSError."""
        with self.locked():
            found = _of(run, self.waiting())
            if found is not None:
                self.leave(found)
        return found is not None

    def take_turn(self, supervisor: Process, room: Callable[[str, int], int | None]) -> Ticket | None:
        """The ticket of a supervisor, with the one device to train on once its turn has come; None if it was taken away.

        Args:
            supervisor: the calling process.
            room: returns how many bytes of a device's memory may be used when other runs need so many of it; None: not known.

        Raises:
            OSError: the tickets cannot be read or written.
        """
        with self.locked():
            tickets = self.tickets()
            own = next((ticket for ticket in tickets if ticket.supervisor == supervisor), None)
            device = device_for(own, [ticket for ticket in tickets if ticket is not own], room) if own else None
            if own is None or device is None:
                return own
            own = msgspec.structs.replace(own, waits=False, devices=(device,))
            self.put(own)
            return own

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other processes from deciding meanwhile."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _files(self) -> list[Path]:
        try:
            return [self._folder / name for name in os.listdir(self._folder) if name.endswith(".json")]
        except OSError:
            return []

    def _path(self, ticket: Ticket) -> Path:
        return self._folder / f"{ticket.supervisor.pid}-{int(ticket.supervisor.started)}.json"


def device_for(own: Ticket, others: Sequence[Ticket], room: Callable[[str, int], int | None]) -> str | None:
    """The device on which a waiting run may train now: the one with the fewest runs; None if its turn has not come.

    Runs that want the same device go in their order, so that one that needs much is not overtaken for ever.
    """
    if any(other.waits and other.order < own.order and set(other.devices) & set(own.devices) for other in others):
        return None
    training = [other for other in others if not other.waits]

    def on(device: str) -> list[Ticket]:
        return [other for other in training if not other.devices or device in other.devices]

    for device in sorted(own.devices, key=lambda device: len(on(device))):
        if own.slots and len(on(device)) >= own.slots:
            continue
        if own.memory_bytes:
            free = room(device, sum(other.memory_bytes for other in on(device)))
            if free is not None and free < own.memory_bytes:
                continue
        return device
    return None


def place_of(run: Path) -> str:
    """A waiting run's place, such as `2 of 3 in the queue`; empty if it does not wait."""
    waiting = _runs_waiting(int(time.monotonic()))
    name = str(run.absolute())
    return f"{waiting.index(name) + 1} of {len(waiting)} in the queue" if name in waiting else ""


@functools.lru_cache(maxsize=1)
def _runs_waiting(_second: int) -> list[str]:
    """Looked up once a second at most, as a list asks for each of its runs."""
    return [ticket.run for ticket in Queue().waiting()]


def no_queue(error: OSError) -> TuimonError:
    """The error of a queue whose folder cannot be used."""
    return TuimonError(f"Cannot use the queue in {_usual_folder()}: {error.strerror}.", "$XDG_STATE_HOME names another folder.")


def _of(run: Path, tickets: Sequence[Ticket]) -> Ticket | None:
    return next((ticket for ticket in tickets if ticket.run == str(run.absolute())), None)


def _read(path: Path) -> Ticket | None:
    try:
        return _decode(path.read_bytes())
    except (OSError, ValueError):
        return None


def _usual_folder() -> Path:
    return user_folder("XDG_STATE_HOME", ".local/state") / "queue" / host_name()
