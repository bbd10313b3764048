"""Has the autopilot steer the run from inside the training process, so that it outlives every terminal.

On the thread that diagnoses. Reads the run's own log as far as the autopilot needs it, only while that is on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from tuimon.base.bounds import Bounds
from tuimon.diagnosis import Diagnosis
from tuimon.diagnosis.evidence import LOSS, VALIDATION
from tuimon.diagnosis.keeper import Forget
from tuimon.diagnosis.pilot import LEVER, Pilot
from tuimon.log.batch import Batch
from tuimon.log.reader import RunReader
from tuimon.log.records import Command, LeverInfo, Notice
from tuimon.log.store import Store
from tuimon.log.writer import LogWriter
from tuimon.monitor.levers.levers import Lever

_TAGS = (LOSS, VALIDATION, "lr")
_READ_BYTES = 1 << 20


def autopilot_lever(bounds: Bounds, on: bool) -> Lever:
    """The switch. What moves the run is its log's reader; the switch stands there, and is all that it looks at."""
    about = f"Applies remedies of findings by itself ({bounds}), and takes back what makes things worse."
    return Lever(LeverInfo(LEVER, "switch", on, help=about), shared=False)


class Piloting:
    """Steers one run while the lever `autopilot` is on.

    Args:
        writer: writes the run's log.
        submit: hands commands to the training.
        bounds: how far it may go.
    """

    def __init__(self, writer: LogWriter, submit: Callable[[Command], None], bounds: Bounds) -> None:
        self._writer, self._submit = writer, submit
        self._pilot = Pilot(bounds)
        self._reader: RunReader | None = None
        self._store = Store()
        self._on = False

    @property
    def on(self) -> bool:
        """Whether it was on at its last turn."""
        return self._on

    @property
    def busy(self) -> bool:
        """Whether it waits for the training to carry out what it has asked for."""
        return self._on and self._pilot.busy

    def bound(self, bounds: Bounds) -> None:
        """Begins anew within other bounds. Any thread."""
        self._pilot = Pilot(bounds)

    def turn(self, engine: Diagnosis) -> None:
        """Does what is to be done now; `engine` has read the same log."""
        lever = engine.evidence.levers.get(LEVER)
        self._on = lever is not None and lever.value is True
        if not self._on:
            return
        if self._reader is None:
            self._reader = RunReader(self._writer.path, brief=True)
        while batch := self._reader.read(_READ_BYTES):
            self._store.apply(_part(batch))
        for ask in self._pilot.turn(engine, self._store):
            if isinstance(ask, Command):
                self._submit(ask)
            elif isinstance(ask, Notice):
                self._writer.event(ask, engine.evidence.step)
            elif isinstance(ask, Forget):
                with contextlib.suppress(OSError):
                    (self._writer.folder / ask.path).unlink()

    def close(self) -> None:
        """Closes the log."""
        if self._reader is not None:
            self._reader.close()


def _part(batch: Batch) -> Batch:
    """What of a batch the autopilot needs: its events and its losses."""
    return Batch({tag: batch.scalars[tag] for tag in _TAGS if tag in batch.scalars}, events=batch.events, bytes=batch.bytes)
