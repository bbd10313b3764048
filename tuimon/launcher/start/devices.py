"""Chooses the device that a run trains on.

NVML numbers and names the GPUs, in the order of their PCI addresses; CUDA is set to use the same order. An existing
`CUDA_VISIBLE_DEVICES` (a scheduler's allocation) is respected: only those GPUs are used, numbered from 0. Its numbers keep
their meaning: CUDA's own order, fastest first, unless `CUDA_DEVICE_ORDER` says otherwise. Never imports torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import metadata
from typing import Any

from tuimon.base.errors import TuimonError

_HINT = "A device is auto, cpu, cuda, cuda:N or mps; `tuimon doctor` lists what this machine has."


@dataclass(frozen=True)
class Gpu:
    """A GPU that this process may use.

    `index` numbers the visible GPUs; `name_for_cuda` selects this one in CUDA_VISIBLE_DEVICES, as a number in PCI order if
    `pci_order`. Memory is None if the driver does not report it, as for a GPU that is partitioned (MIG).
    """

    index: int
    name: str
    memory_free_bytes: int | None = None
    memory_total_bytes: int | None = None
    name_for_cuda: str = ""
    pci_order: bool = True


@dataclass(frozen=True)
class Device:
    """A chosen device: its name for the trainer, the environment variables it needs, and its label for users.

    `others` are the devices that would do, too, by label, each with the environment variables that select it.
    """

    device: str
    environment: dict[str, str] = field(default_factory=dict)
    label: str = ""
    others: dict[str, dict[str, str]] = field(default_factory=dict, compare=False)

    @property
    def candidates(self) -> dict[str, dict[str, str]]:
        """All devices that would do, the chosen one first."""
        return {self.label: self.environment, **self.others} if self.label else {}


def gpus(environment: Mapping[str, str] = os.environ) -> list[Gpu]:
    """Returns the GPUs that may be used, in NVML's order; empty without an NVIDIA driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:  # no module, no driver, or a driver of another version: there is nothing to choose from
        return []
    try:
        names = _visible(environment, pynvml.nvmlDeviceGetCount())
        found = [_gpu(pynvml, index, name) for index, name in enumerate(names)]
        return found if _in_pci_order(environment) else [replace(gpu, pci_order=False) for gpu in found]
    finally:
        pynvml.nvmlShutdown()


def choose_device(
    text: str = "auto", available: Sequence[Gpu] | None = None, starting: Callable[[], Sequence[str]] = tuple
) -> Device:
    """Chooses the device that `text` asks for.

    Args:
        text: `auto` (the GPU with the most free memory, or the CPU if there is none), `cpu`, `cuda` (like `auto`, but a GPU),
            `cuda:N`, or `mps` (only torch knows whether there is one).
        available: the GPUs to choose from; None: look them up.
        starting: returns the labels of devices chosen for runs that have not allocated their memory yet; each is assumed
            to take an equal share of the free memory.

    Raises:
        TuimonError: there is no such device, or the installed torch cannot use it.
    """
    if text in ("cpu", "mps"):
        return Device(text, {}, text)
    if not re.fullmatch(r"auto|cuda(:\d+)?", text):
        raise TuimonError(f"Unknown device {text!r}.", _HINT)
    seen = gpus() if available is None else list(available)
    if text == "auto":
        return _use_any(seen, starting()) if seen and not _torch_lacks_cuda() else Device("cpu", {}, "cpu")
    _check_cuda(text, seen)
    return _use(seen[int(text[5:])]) if ":" in text else _use_any(seen, starting())


def unseen_device(text: str) -> Device:
    """The device of a run that trains on a machine that is not known yet; one is chosen there.

    Raises:
        TuimonError: it names one GPU of that machine.
    """
    if text in ("cpu", "cuda"):
        return Device(text, {}, text)
    if text == "auto":
        return Device("auto")
    raise TuimonError(f"Cannot train on {text} there: which GPU it is, is decided there.", "Use --device cuda, cpu or auto.")


def _check_cuda(text: str, seen: list[Gpu]) -> None:
    if not seen:
        raise TuimonError(f"Cannot train on {text}: no NVIDIA driver answers, or no GPU is visible.", _HINT)
    if ":" in text and int(text[5:]) >= len(seen):
        names = ", ".join(f"cuda:{gpu.index} ({gpu.name})" for gpu in seen)
        raise TuimonError(f"Cannot train on {text}: this machine has {names}.", _HINT)
    if _torch_lacks_cuda():
        raise TuimonError(
            f"Cannot train on {text}: the installed torch {torch_version()} is built for the CPU only.",
            "Install a CUDA build: https://pytorch.org/get-started/locally/",
        )


def torch_version() -> str:
    """Returns the version of the installed torch without importing it; empty if it is not installed."""
    try:
        return metadata.version("torch")
    except metadata.PackageNotFoundError:
        return ""


def _torch_lacks_cuda() -> bool:
    return torch_version().endswith("+cpu")


def _roomiest(seen: Sequence[Gpu], starting: Sequence[str]) -> Gpu:
    """Returns the GPU with the most free memory, after the share of runs that are starting on it; the lower index if equal."""

    def room(gpu: Gpu) -> tuple[float, int, int]:
        sharing = starting.count(_label(gpu))
        return (gpu.memory_free_bytes or 0) / (1 + sharing), -sharing, -gpu.index

    return max(seen, key=room)


def _use_any(seen: Sequence[Gpu], starting: Sequence[str]) -> Device:
    chosen = _use(_roomiest(seen, starting))
    return replace(chosen, others={other.label: other.environment for other in map(_use, seen) if other != chosen})


def _use(gpu: Gpu) -> Device:
    chosen = gpu.name_for_cuda or str(gpu.index)
    order = {"CUDA_DEVICE_ORDER": "PCI_BUS_ID"} if gpu.pci_order else {}
    return Device("cuda", {**order, "CUDA_VISIBLE_DEVICES": chosen}, _label(gpu))


def _label(gpu: Gpu) -> str:
    return f"cuda:{gpu.index}"


def _in_pci_order(environment: Mapping[str, str]) -> bool:
    """Whether numbers in CUDA_VISIBLE_DEVICES are, or can be made, NVML's. If not, what NVML says about a GPU is a guess."""
    told = environment.get("CUDA_VISIBLE_DEVICES")
    return told is None or environment.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID" or not told.lstrip()[:1].isdecimal()


def _visible(environment: Mapping[str, str], count: int) -> list[str]:
    """Returns the devices that CUDA would use, in its order. As in CUDA, the list ends at the first invalid entry."""
    told = environment.get("CUDA_VISIBLE_DEVICES")
    if told is None:
        return [str(index) for index in range(count)]
    names: list[str] = []
    for entry in (part.strip() for part in told.split(",")):
        if not (entry.startswith(("GPU-", "MIG-")) or (entry.isdecimal() and int(entry) < count)):
            break
        names.append(entry)
    return names


def _gpu(nvml: Any, index: int, name: str) -> Gpu:
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(int(name)) if name.isdecimal() else nvml.nvmlDeviceGetHandleByUUID(name)
        title = nvml.nvmlDeviceGetName(handle)
    except nvml.NVMLError:
        return Gpu(index, name, name_for_cuda=name)
    try:
        memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    except nvml.NVMLError:
        return Gpu(index, title, name_for_cuda=name)
    return Gpu(index, title, int(memory.free), int(memory.total), name)
