"""What leads to what: a finding that another explains is shown under it, not beside it.

An explicit graph of rules, each with the rules that it may bring about. It has no circles. Sources: Goodfellow, Bengio and
Courville, Deep Learning (2016), 6.3, 8.2 and 11.5; Glorot and Bengio, AISTATS 2010 (saturation and vanishing gradients);
Lu et al., arXiv:1903.06733 (dying ReLU); Zhang et al., AUTOTRAINER, ICSE 2021; Cao et al., DeepFD, ICSE 2022 (symptoms and
their causes).
"""

from __future__ import annotations

import functools

CAUSES: dict[str, tuple[str, ...]] = {
    "exploding-gradient": ("diverging-loss", "non-finite-loss", "dead-units", "saturated-units"),
    "diverging-loss": ("non-finite-loss",),
    "saturated-units": ("vanishing-gradient",),
    "dead-units": ("vanishing-gradient",),
}


@functools.cache
def causes_of(rule: str) -> tuple[str, ...]:
    """All rules that may lead to this one, near or far."""
    found: list[str] = []
    waiting = [rule]
    while waiting:
        one = waiting.pop()
        for cause, effects in CAUSES.items():
            if one in effects and cause not in found:
                found.append(cause)
                waiting.append(cause)
    return tuple(found)


def in_order(names: list[str]) -> list[str]:
    """Names of rules, causes before what they cause; else in the given order."""
    left, ordered = list(names), []
    while left:
        first = next(name for name in left if not any(cause in left for cause in causes_of(name)))
        ordered.append(first)
        left.remove(first)
    return ordered
