"""What leads to what: a finding that another explains is shown under it, not beside it.

An explicit graph of rules, each with the rules that it may bring about. It has no circles. Sources: Goodfellow, Bengio and
Courville, Deep Learning (2016), 6.3, 8.2 and 11.5; Glorot and Bengio, AISTATS 2010 (saturation and vanishing gradients);
Lu et al., arXiv:1903.06733 (dying ReLU); Yang et al., ICLR 2019 (batch norm lets gradients explode); Zhang et al., AUTOTRAINER,
ICSE 2021; Cao et al., DeepFD, ICSE 2022 (symptoms and their causes).
"""

from __future__ import annotations

import functools

_NOWHERE = ("rate-too-low", "plateau", "under-fitting")
_TOO_FAR = (
    "exploding-gradient", "diverging-loss", "non-finite-loss", "dead-units", "mostly-negative", "saturated-units",
    "weights-growing",
)  # fmt: skip

CAUSES: dict[str, tuple[str, ...]] = {
    "inputs-not-normalized": ("first-loss", "rate-too-high", "batch-noise", *_TOO_FAR, "vanishing-gradient", *_NOWHERE),
    "labels": ("double-softmax", "output-or-loss", "diverging-loss", "over-fitting", *_NOWHERE),
    "symmetric-units": ("rate-too-high", "vanishing-gradient", "dead-units", "layers-not-trained", *_NOWHERE),
    "missing-zero-grad": ("rate-too-high", "batch-noise", *_TOO_FAR, "over-fitting", *_NOWHERE),
    "layers-not-trained": ("over-fitting", *_NOWHERE),
    "eval-mode": ("over-fitting", "rate-too-high", *_TOO_FAR),
    "tiny-batch-norm": ("batch-noise", "rate-too-high", "exploding-gradient", *_NOWHERE),
    "double-softmax": ("vanishing-gradient", "output-or-loss", *_NOWHERE),
    "output-or-loss": ("dead-units", "saturated-units", "vanishing-gradient", *_NOWHERE),
    "exploding-gradient": ("first-loss", "rate-too-high", "diverging-loss", "non-finite-loss", "dead-units", "saturated-units"),
    "diverging-loss": ("rate-too-high", "non-finite-loss", "weights-growing", "dead-units", "saturated-units"),
    "batch-noise": ("rate-too-high", "plateau", "under-fitting"),
    "rate-too-high": (
        "non-finite-loss",
        "dead-units",
        "mostly-negative",
        "saturated-units",
        "weights-growing",
        "plateau",
        "under-fitting",
    ),
    "saturated-units": ("first-loss", "vanishing-gradient", *_NOWHERE),
    "dead-units": ("mostly-negative", "vanishing-gradient", *_NOWHERE),
    "mostly-negative": ("vanishing-gradient", *_NOWHERE),
    "vanishing-gradient": _NOWHERE,
    "schedule-ended": _NOWHERE,
    "always-clipped": _NOWHERE,
    "rate-too-low": ("plateau", "under-fitting"),
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
