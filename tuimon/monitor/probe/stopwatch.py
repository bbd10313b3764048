"""Times what one sample costs. Training thread."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_INDIRECT = 3.0  # a step longer by more than this times the sample's own work must have another reason


class Stopwatch:
    """What one sample costs: the loop's own time and, on CUDA, the device's; the greater counts."""

    def __init__(self) -> None:
        self._host_s = 0.0
        self._events: list[tuple[torch.cuda.Event, torch.cuda.Event]] = []

    @contextmanager
    def running(self, device: torch.device) -> Iterator[None]:
        """Times the work inside."""
        began = time.perf_counter()
        if device.type != "cuda":
            yield
            self._host_s += time.perf_counter() - began
            return
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
        stream = torch.cuda.current_stream(device)
        start.record(stream)
        yield
        end.record(stream)
        self._events.append((start, end))
        self._host_s += time.perf_counter() - began

    def allow_for(self, longer_s: float) -> None:
        """Counts what the sample took by slowing down everything around it, as far as that can be its doing."""
        self._host_s = max(self._host_s, min(longer_s, _INDIRECT * self._host_s))

    def seconds(self) -> float:
        """The time so far; device events that have not happened yet are left out."""
        device_ms = sum(start.elapsed_time(end) for start, end in self._events if end.query())  # type: ignore[no-untyped-call]
        return max(self._host_s, device_ms / 1000)
