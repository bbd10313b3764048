"""Diagnoses the run from inside the training process: reads the run's own log, and writes the findings into it.

One background thread, never the training loop: it sleeps, reads what has been added to the log, and applies the rules. It is a
reader like any other; what it finds depends on the log alone, so that whoever applies the same rules to the same log finds the
same. Keeps no model.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable

import tuimon.log.protos  # noqa: F401  # now: importing it after an uncaught KeyboardInterrupt makes Python forget that one
from tuimon.diagnosis import Diagnosis
from tuimon.diagnosis.following import record_step
from tuimon.log.reader import RunReader
from tuimon.log.records import Finding
from tuimon.log.writer import LogWriter
from tuimon.monitor.piloting import Piloting

SHARE = 0.0015  # of the time, at most: after a costly reading the next one comes later
PILOTED = 5.0  # times as much while the autopilot is on, which is to act in time
EAGER_S, EAGER_SHARE = 0.1, 0.01  # so many seconds of the processor it takes at this share first: a short run is heard in time
_SOONEST_S, _LATEST_S = 0.2, 5.0  # between two readings
_AGE = 8.0  # a reading is due when the run has become older by one in so many
_READ_BYTES = 1 << 20  # at once, so that the thread holds the interpreter for a few milliseconds at most
_PATIENCE_S = 2.0  # at the end, for a reading that is under way


class Diagnosing:
    """Follows one log until it is closed.

    Args:
        writer: writes that log; takes the findings.
        report: takes the first error; nothing is diagnosed afterwards.
        piloting: steers the run by what is found, where that is wanted.
    """

    def __init__(self, writer: LogWriter, report: Callable[[str, BaseException], None], piloting: Piloting) -> None:
        self._writer, self._report, self._piloting = writer, report, piloting
        self._reader = RunReader(writer.path, brief=True)
        self._engine = Diagnosis()
        self._busy = threading.Lock()  # who reads
        self._stop = threading.Event()
        self._pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name="tuimon-diagnosis", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Reads the rest of the log, and writes what it shows. Harmless when repeated; waits for a reading for 2 s at most."""
        if self._stop.is_set() or os.getpid() != self._pid:  # a forked child has neither the thread nor the writer's
            return
        self._stop.set()
        if not self._busy.acquire(timeout=_PATIENCE_S):
            return
        try:
            self._writer.flush()
            self._read()
            self._tell(self._engine.look())
        except Exception as error:
            self._report("diagnosis", error)
        finally:
            self._reader.close()
            self._piloting.close()
            self._busy.release()

    def _run(self) -> None:
        began, spent_s, wait_s = time.monotonic(), 0.0, _SOONEST_S
        try:
            while not self._stop.wait(wait_s):
                before = time.thread_time()
                with self._busy:
                    if self._stop.is_set():
                        return
                    self._read()
                    self._piloting.turn(self._engine)
                cost_s = time.thread_time() - before
                spent_s += cost_s
                age_s = time.monotonic() - began
                more = PILOTED if self._piloting.on else 1.0
                share = (EAGER_SHARE if spent_s < EAGER_S else SHARE) * more
                wait_s = max(min(max(age_s / _AGE, _SOONEST_S), _LATEST_S / more), cost_s / share)
                if self._piloting.busy:  # a remedy is on its way, which is nothing to be slow about
                    wait_s = min(wait_s, _SOONEST_S)
        except Exception as error:
            self._stop.set()
            self._report("diagnosis", error)

    def _read(self) -> None:
        """Takes in what is new. By whoever has the lock."""
        while batch := self._reader.read(_READ_BYTES):
            self._tell(self._engine.take(batch))

    def _tell(self, findings: list[Finding]) -> None:
        for finding in findings:
            self._writer.event(finding, record_step(finding))
