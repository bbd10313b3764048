"""Asks the NVIDIA driver about its GPUs, through NVML (module `pynvml`).

What the driver cannot tell (under MIG, on a small card, in a container) is left out with the reason; no driver at all is one
sentence. NVML's calls are isolated behind a protocol, so that a recorded driver can stand in for a real one.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, cast

_NOT_AVAILABLE = (2**32 - 1, 2**64 - 1)  # what NVML answers, without an error, in place of a value that it does not have
_PER_UNIT = {"power_w": 1000, "power_limit_w": 1000}  # of what NVML answers, here milliwatts


class Nvml(Protocol):
    """The calls of `pynvml` that are used here."""

    # ruff: noqa: D102 - NVML's own manual tells what each does

    NVMLError: type[Exception]
    NVML_TEMPERATURE_GPU: int

    def nvmlInit(self) -> None: ...
    def nvmlShutdown(self) -> None: ...
    def nvmlDeviceGetCount(self) -> int: ...
    def nvmlDeviceGetHandleByIndex(self, index: int) -> Any: ...
    def nvmlDeviceGetName(self, handle: Any) -> str | bytes: ...
    def nvmlDeviceGetMigMode(self, handle: Any) -> Any: ...
    def nvmlDeviceGetUtilizationRates(self, handle: Any) -> Any: ...
    def nvmlDeviceGetMemoryInfo(self, handle: Any) -> Any: ...
    def nvmlDeviceGetPowerUsage(self, handle: Any) -> int: ...
    def nvmlDeviceGetEnforcedPowerLimit(self, handle: Any) -> int: ...
    def nvmlDeviceGetTemperature(self, handle: Any, sensor: int) -> int: ...
    def nvmlDeviceGetComputeRunningProcesses(self, handle: Any) -> list[Any]: ...


@dataclass(frozen=True)
class GpuProcess:
    """A process that holds GPU memory; `memory_bytes` is None where the driver does not tell."""

    pid: int
    memory_bytes: int | None


@dataclass(frozen=True)
class GpuReading:
    """One GPU at one time. `values` by the last part of their tag; `missing` says why a value is not there."""

    index: int
    name: str
    values: dict[str, float] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    processes: tuple[GpuProcess, ...] = ()


class Gpus:
    """The GPUs of this machine, in NVML's own order. One thread.

    Args:
        nvml: the driver; the real one when None.
    """

    def __init__(self, nvml: Nvml | None = None) -> None:
        self.reason = ""  # why there are none
        self._handles: list[tuple[int, str, Any]] = []
        self._nvml = nvml
        try:
            self._open()
        except ImportError:
            self.reason = "nvidia-ml-py is not installed"
        except Exception as error:  # NVMLError comes with the module, and so cannot be named here
            self.reason = f"no NVIDIA GPU found: {explain(error)}"

    def read(self) -> list[GpuReading]:
        """Every GPU's reading; a GPU that fails as a whole tells so for each value."""
        return [self._read(index, name, handle) for index, name, handle in self._handles]

    def close(self) -> None:
        """Lets the driver go."""
        if self._handles and self._nvml is not None:
            self._handles = []
            _attempt(self._nvml.nvmlShutdown)

    def _open(self) -> None:
        if self._nvml is None:
            import pynvml

            self._nvml = cast(Nvml, pynvml)
        self._nvml.nvmlInit()
        nvml, refused = self._nvml, ""
        for index in range(nvml.nvmlDeviceGetCount()):  # which counts those, too, that this user may not ask
            handle, problem = _attempt(functools.partial(nvml.nvmlDeviceGetHandleByIndex, index))
            name, unnamed = _attempt(functools.partial(nvml.nvmlDeviceGetName, handle)) if not problem else ("", "")
            if problem:
                refused = problem
                continue
            known = name.decode(errors="replace") if isinstance(name, bytes) else name
            self._handles.append((index, f"GPU ({unnamed})" if unnamed else known, handle))
        if not self._handles:
            self.reason = f"no NVIDIA GPU found: {refused}" if refused else "the NVIDIA driver lists no GPU"
            _attempt(nvml.nvmlShutdown)

    def _read(self, index: int, name: str, handle: Any) -> GpuReading:
        nvml = self._nvml
        assert nvml is not None
        reading = GpuReading(index, name)
        suffix = " (MIG mode is on)" if self._is_mig(handle) else ""

        def put(call: Callable[[], Any], **parts: Callable[[Any], int]) -> None:
            answer, problem = _attempt(call)
            for key, part in parts.items():
                value = None if problem else part(answer)
                if value is None or value in _NOT_AVAILABLE:
                    reading.missing[key] = (problem or "not available") + suffix
                else:
                    reading.values[key] = value / _PER_UNIT.get(key, 1)

        put(lambda: nvml.nvmlDeviceGetUtilizationRates(handle), utilization_percent=lambda u: u.gpu)
        put(
            lambda: nvml.nvmlDeviceGetMemoryInfo(handle),
            memory_used_bytes=lambda m: m.used,
            memory_total_bytes=lambda m: m.total,
        )
        put(lambda: nvml.nvmlDeviceGetPowerUsage(handle), power_w=_itself)
        put(lambda: nvml.nvmlDeviceGetEnforcedPowerLimit(handle), power_limit_w=_itself)
        put(lambda: nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU), temperature_c=_itself)
        return self._with_processes(reading, handle, suffix)

    def _with_processes(self, reading: GpuReading, handle: Any, suffix: str) -> GpuReading:
        nvml = self._nvml
        assert nvml is not None
        found, problem = _attempt(lambda: nvml.nvmlDeviceGetComputeRunningProcesses(handle))
        if problem:
            reading.missing["processes"] = problem + suffix
            found = []
        processes = tuple(
            GpuProcess(int(p.pid), None if p.usedGpuMemory in (None, *_NOT_AVAILABLE) else int(p.usedGpuMemory)) for p in found
        )
        return GpuReading(reading.index, reading.name, reading.values, reading.missing, processes)

    def _is_mig(self, handle: Any) -> bool:
        nvml = self._nvml
        assert nvml is not None
        modes, problem = _attempt(lambda: nvml.nvmlDeviceGetMigMode(handle))
        return not problem and bool(modes[0])


def _itself(value: int) -> int:
    return value


def explain(error: BaseException) -> str:
    """An NVML error's own words, e.g. `Driver Not Loaded`."""
    return str(error) or type(error).__name__


def _attempt(call: Callable[[], Any]) -> tuple[Any, str]:
    """What a call gives, and why it gave nothing: a driver may refuse any question, or be gone from one second to the next."""
    try:
        return call(), ""
    except Exception as error:
        return None, explain(error)
