"""What runs beside the training, each on a thread of its own: the socket, the meters and the diagnosis.

Each can fail by itself; the training and the others go on. Their threads keep nothing of the training: once nobody has the
model any more, it can be freed.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable

from tuimon.base import given
from tuimon.base.bounds import Bounds
from tuimon.base.errors import TuimonError
from tuimon.log.writer import LogWriter
from tuimon.monitor.diagnosing import Diagnosing
from tuimon.monitor.guard import Guard
from tuimon.monitor.levers.desk import Desk
from tuimon.monitor.meters.meters import Meters
from tuimon.monitor.piloting import Piloting
from tuimon.monitor.station import sockets
from tuimon.monitor.station.inbox import Inbox
from tuimon.monitor.station.station import Station
from tuimon.monitor.steps import Steps


class Companions:
    """Opens and closes them. Training thread, but for `unlink`.

    Args:
        writer: of the run's log.
        steps: say which step it is.
        desk: takes the commands that arrive.
        guard: takes the errors.
        warn: logs a warning.
    """

    def __init__(self, writer: LogWriter, steps: Steps, desk: Desk, guard: Guard, warn: Callable[[str], None]) -> None:
        self._writer, self._steps, self._desk, self._guard, self._warn = writer, steps, desk, guard, warn
        self._report = weakly(guard.report)
        self._station: Station | None = None
        self._inbox: Inbox | None = None
        self._meters: Meters | None = None
        self._piloting: Piloting | None = None
        self._diagnosing: Diagnosing | None = None
        self.socket_error = ""  # why there is no socket

    @property
    def socket(self) -> str:
        """The socket's path; empty: there is none."""
        return str(self._station.path) if self._station else ""

    def serve(self) -> None:
        """Opens the socket, or keeps in `socket_error` why that cannot be done."""
        try:
            listener, path = sockets.listen()
        except TuimonError as error:
            self.socket_error = str(error)
            return
        self._station = Station(listener, path, self._writer.folder, weakly(self._desk.submit), self._report, self._warn)

    @property
    def has_inbox(self) -> bool:
        """Whether the run looks for commands in its folder."""
        return self._inbox is not None

    def look_into_folder(self) -> None:
        """Begins to look for commands in the run's folder, if the launcher asks for it."""
        if given.INBOX in os.environ:
            writer = self._writer
            self._inbox = Inbox(lambda: writer.folder, weakly(self._desk.submit_alone), self._report)

    def meter(self) -> None:
        """Begins to measure the GPUs and the host."""
        steps = weakref.ref(self._steps)
        self._meters = Meters(self._writer, lambda: found.done if (found := steps()) else 0, self._report)

    def diagnose(self, bounds: Bounds) -> None:
        """Begins to diagnose the run; `bounds` are the autopilot's."""
        self._piloting = Piloting(self._writer, weakly(self._desk.submit_alone), bounds)
        self._diagnosing = Diagnosing(self._writer, self._report, self._piloting)

    def bound(self, bounds: Bounds) -> None:
        """Gives the autopilot other bounds, before it has done anything."""
        if self._piloting is not None:
            self._piloting.bound(bounds)

    def say_last(self) -> None:
        """Ends those that write to the log, before its last record."""
        for one in (self._meters, self._diagnosing):
            if one is not None:
                self._guard.attempt(one.close)

    def hang_up(self) -> None:
        """Closes the socket, after the log's last record."""
        if self._station is not None:
            self._guard.attempt(self._station.close)
        if self._inbox is not None:
            self._inbox.close()

    def unlink(self) -> None:
        """Removes the socket's file and waits for nobody. Any thread."""
        if self._station is not None:
            self._guard.attempt(self._station.unlink)

    def forget(self) -> None:
        """Closes a forked child's copies of the socket."""
        if self._station is not None:
            self._station.forget()


def weakly(method: Callable[..., object]) -> Callable[..., None]:
    """A method for a thread to call without keeping what it belongs to, and so the model; does nothing once that is gone."""
    reference = weakref.WeakMethod(method)

    def call(*args: object) -> None:
        if found := reference():
            found(*args)

    return call
