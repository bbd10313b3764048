"""Rules about the machine: memory that nearly is full."""

from __future__ import annotations

import math

from tuimon.base.format import gib
from tuimon.diagnosis.look import Look
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict

_FULL = 0.95  # of the memory
_OWN = 0.5  # of what is used: otherwise it is not this training that fills it
_READINGS = 3


def _memory(look: Look) -> Verdict:
    found = [_host(look), *(_device(look, tag.removesuffix("/memory_used_bytes")) for tag in _devices(look))]
    symptoms = [one for one in found if isinstance(one, Symptom)]
    if symptoms:
        return max(symptoms, key=lambda one: one.evidence["share"])
    return Abstains("the memory was not read") if all(isinstance(one, Abstains) for one in found) else None


def _devices(look: Look) -> list[str]:
    return [tag for tag in look.evidence.traces if tag.startswith("system/gpu") and tag.endswith("/memory_used_bytes")]


def _host(look: Look) -> Verdict:
    share, used, total = _share(look, "system/host")
    own = look.usual("system/process/memory_bytes", _READINGS)
    if not math.isfinite(share):
        return Abstains("the machine's memory was not read")
    if not (share > _FULL and own > _OWN * used):
        return None
    text = (
        f"memory is nearly full: {gib(used)} of {gib(total)}, {gib(own)} of them in this process; a little "
        "more, and the system ends it. Smaller batches, or fewer workers that load data, need less"
    )
    return Symptom(text, look.first_step("system/host/memory_used_bytes"), {"share": share, "own_bytes": own})


def _device(look: Look, device: str) -> Verdict:
    share, used, total = _share(look, device)
    if not share > _FULL:
        return None if math.isfinite(share) else Abstains(f"the memory of {device} was not read")
    text = (
        f"the memory of {device.removeprefix('system/')} is nearly full: {gib(used)} of {gib(total)}, with what "
        "PyTorch keeps for later; a larger batch or a longer input may not fit any more"
    )
    return Symptom(text, look.first_step(f"{device}/memory_used_bytes"), {"share": share}, severity="hint")


def _share(look: Look, where: str) -> tuple[float, float, float]:
    """Which part of a memory is used, and how much, and of how much."""
    used, total = (look.usual(f"{where}/memory_{what}_bytes", _READINGS) for what in ("used", "total"))
    return (used / total if total > 0 else math.nan), used, total


RULES = (
    Rule(
        "memory-nearly-full",
        "warning",
        "Hardly any memory is left, and a training whose memory runs out ends at once. "
        "Smaller batches, mixed precision, checkpointed activations or fewer loading workers need less.",
        ("system/host/memory_used_bytes", "system/process/memory_bytes", "system/gpu<i>/memory_used_bytes"),
        "The Linux kernel: when no memory can be reclaimed, a process is ended (oom_kill)",
        _memory,
        costs="resources",
    ),
)
