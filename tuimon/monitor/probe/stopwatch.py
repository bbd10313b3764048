"""Times what one sample costs. Training thread, but for `add`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """What one sample costs: processor time of the threads that work for it and, on CUDA, the device's; the greater counts.

    Processor time, for a sample that was preempted has cost the training nothing meanwhile.
    """

    def __init__(self) -> None:
        self._host_s = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def running(self, device: torch.device) -> Iterator[None]:
        """Times the work inside."""
        began = time.thread_time()
        if device.type != "cuda":
            yield
            self._host_s += time.thread_time() - began
            return
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        stream = torch.cuda.current_stream(device)
        start.record(stream)
        yield
        end.record(stream)
        self._events.append((start, end))
        self._host_s += time.thread_time() - began

    def add(self, host_s: float) -> None:
        """Counts what was done elsewhere."""
        self._host_s += host_s

    def seconds(self) -> float:
        """The time so far; device events that have not happened yet are left out."""
        device_ms = sum(start.elapsed_time(end) for start, end in self._events if end.query())  # type: ignore[no-untyped-call]
        return max(self._host_s, device_ms / 1000)
