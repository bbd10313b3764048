"""How much memory a device has, and how much of it is free: a GPU's by NVML, else this machine's. Any thread; no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Memory(NamedTuple):
    """A device's memory in bytes."""

    free: int
    total: int

    def room(self, reserved: int) -> int:
        """What may be used when others need `reserved` of it, which they may not have allocated yet."""
        return min(self.free, self.total - reserved)


def memory_of(device: str, environment: Mapping[str, str]) -> Memory | None:
    """The memory of a device; None if its driver does not say.

    Args:
        device: its label, such as `cpu` or `cuda:0`.
        environment: the variables that select it.
    """
    if device.startswith("cuda"):
        return _of_gpu(environment.get("CUDA_VISIBLE_DEVICES", ""))
    import psutil

    found = psutil.virtual_memory()
    return Memory(int(found.available), int(found.total))


def _of_gpu(name: str) -> Memory | None:
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no module, or no driver
        return None
    try:
        by_number = name.isdecimal()
        handle = pynvml.nvmlDeviceGetHandleByIndex(int(name)) if by_number else pynvml.nvmlDeviceGetHandleByUUID(name)
        found = pynvml.nvmlDeviceGetMemoryInfo(handle)
        return Memory(int(found.free), int(found.total))
    except pynvml.NVMLError:
        return None
    finally:
        pynvml.nvmlShutdown()
