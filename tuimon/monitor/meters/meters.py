"""Reads the machine's meters each second: GPUs, host, and the training process itself.

One daemon thread in the training process, which spends its life asleep. What cannot be told is said once, with the reason.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import psutil

from tuimon.log.writer import LogWriter
from tuimon.monitor.meters.nvml import GpuReading, Gpus

PERIOD_S = 1.0
GPU_TAG = "tuimon/gpu"
_PROCESSES_EVERY_S = 2.0


class Meters:
    """The thread that reads the meters of one run.

    Args:
        writer: takes the readings.
        step: tells the step to label them with.
        report: takes an error that ends the thread.
        gpus: opens the driver; called on the thread, because a driver may take seconds to wake.
        period_s: between two readings.
    """

    def __init__(
        self,
        writer: LogWriter,
        step: Callable[[], int],
        report: Callable[[str, BaseException], None],
        gpus: Callable[[], Gpus] = Gpus,
        period_s: float = PERIOD_S,
    ) -> None:
        self._writer, self._step, self._report, self._open_gpus, self._period_s = writer, step, report, gpus, period_s
        self._stop = threading.Event()
        self._process = psutil.Process()
        self._users: dict[int, str] = {}
        self._told = ""
        self._told_at = -_PROCESSES_EVERY_S
        self._thread = threading.Thread(target=self._run, name="tuimon-meters", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends the thread; a driver that hangs is not waited for. Harmless when repeated."""
        self._stop.set()
        if threading.current_thread() is not self._thread:  # which may be where the last reference to the run goes
            self._thread.join(1.0)

    def _run(self) -> None:
        try:
            gpus = self._open_gpus()
            host_values(self._process)  # the first reading of a CPU's share only sets its mark
            while not self._stop.wait(self._period_s):
                self._read(gpus)
            gpus.close()
        except Exception as error:
            self._report("meters", error)

    def _read(self, gpus: Gpus) -> None:
        self._writer.scalars(self._step(), host_values(self._process))  # before the driver is asked, which may hang
        readings = gpus.read()
        values = {f"system/gpu{one.index}/{key}": value for one in readings for key, value in one.values.items()}
        if values:
            self._writer.scalars(self._step(), values)
        self._tell_gpus(gpus.reason, readings)

    def _tell_gpus(self, reason: str, readings: list[GpuReading]) -> None:
        """Writes what is no number: names, processes with their users, reasons; only when changed, and not too often."""
        now = time.monotonic()
        if now - self._told_at < _PROCESSES_EVERY_S:
            return
        text = json.dumps({"reason": reason, "gpus": [self._describe(reading) for reading in readings]})
        if text != self._told:
            self._told, self._told_at = text, now
            self._writer.text(self._step(), GPU_TAG, text)

    def _describe(self, reading: GpuReading) -> dict[str, Any]:
        processes = [
            {"pid": process.pid, "user": self._user(process.pid), "memory_bytes": process.memory_bytes}
            for process in reading.processes
        ]
        return {"index": reading.index, "name": reading.name, "missing": reading.missing, "processes": processes}

    def _user(self, pid: int) -> str:
        """The user that a process belongs to; empty where it cannot be seen from here, e.g. from inside a container."""
        if pid not in self._users:
            try:
                self._users[pid] = psutil.Process(pid).username()
            except (psutil.Error, KeyError, OSError):
                self._users[pid] = ""
        return self._users[pid]


def host_values(process: psutil.Process) -> dict[str, float]:
    """The host's and one process's meters by tag; CPU shares are those since the last call, of one core for the process."""
    memory = psutil.virtual_memory()
    with process.oneshot():
        own_cpu, own_memory = process.cpu_percent(None), process.memory_info().rss
    return {
        "system/host/cpu_percent": psutil.cpu_percent(None),
        "system/host/memory_used_bytes": float(memory.total - memory.available),
        "system/host/memory_total_bytes": float(memory.total),
        "system/process/cpu_percent": own_cpu,
        "system/process/memory_bytes": float(own_memory),
    }
