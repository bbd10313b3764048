"""Schedules of the rate: factor of the rate at a step, of so many; faults among them."""

from __future__ import annotations

import math
from collections.abc import Callable

Schedule = Callable[[int, int, float], float]  # step from 0, steps in all, the number after the colon


def _restarts(step: int, steps: int, periods: float) -> float:
    period = max(1, steps / (periods or 4))
    return 0.5 * (1 + math.cos(math.pi * (step % period) / period))


SCHEDULES: dict[str, Schedule] = {
    "": lambda step, steps, _: 1.0,
    "cosine": lambda step, steps, _: 0.5 * (1 + math.cos(math.pi * step / steps)),
    "warmup": lambda step, steps, share: min(1.0, (step + 1) / max(1.0, share * steps)),
    "restarts": _restarts,
    "drops": lambda step, steps, _: 0.1 ** (3 * step // steps),
    # the mistakes: a schedule meant for epochs is moved at each step, or planned for a run that is shorter
    "step-per-batch": lambda step, steps, every: 0.1 ** (step // max(1, every)),
    "exponential-per-batch": lambda step, steps, factor: factor**step,
    "linear-to-zero-at": lambda step, steps, share: max(0.0, 1 - step / (share * steps)),
    "cosine-to-zero-at": lambda step, steps, share: 0.5 * (1 + math.cos(math.pi * min(1.0, step / (share * steps)))),
}


def factor(schedule: str, step: int, steps: int) -> float:
    """The factor of the rate at a step."""
    name, _, number = schedule.partition(":")
    return SCHEDULES[name](step, steps, float(number or 0))
