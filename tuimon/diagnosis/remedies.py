"""Lever settings that may help, at absolute values, so that applying them twice does no more. Only levers that the run has."""

from __future__ import annotations

from collections.abc import Iterable

from tuimon.diagnosis.evidence import Evidence
from tuimon.log.records import LeverValue, Remedy

_LEAST_SCALE = 1e-3


def remedies(*some: Remedy | None) -> tuple[Remedy, ...]:
    """Those that the run can carry out, in the order to try."""
    return tuple(one for one in some if one is not None)


def scaled_rate(evidence: Evidence, factor: float, why: str) -> Remedy | None:
    """Scales the learning rate by a factor, from its present value."""
    lever = evidence.levers.get("lr_scale")
    if lever is None or isinstance(lever.value, bool) or not isinstance(lever.value, float | int):
        return None
    value = float(lever.value) * factor
    high = lever.high if lever.high is not None else float("inf")
    return Remedy({"lr_scale": value}, why) if _LEAST_SCALE <= value <= high else None


def clipped(evidence: Evidence, norm: float, why: str) -> Remedy | None:
    """Limits the norm of the gradient, unless it is limited to less already."""
    lever = evidence.levers.get("clip_norm")
    if lever is None or not norm > 0:
        return None
    limit = lever.value if lever.enabled and isinstance(lever.value, float | int) else 0.0
    return None if 0 < limit <= norm else Remedy({"clip_norm": float(f"{norm:.3g}")}, why)


def leaky(evidence: Evidence, layers: Iterable[str], why: str) -> Remedy | None:
    """Replaces the ReLU of layers by leaky ReLU, where the run can do that."""
    moves: dict[str, LeverValue] = {}
    for layer in layers:
        lever = evidence.levers.get(f"activation/{layer}")
        if lever and lever.value == "relu" and "leaky_relu" in lever.choices:
            moves[lever.name] = "leaky_relu"
    return Remedy(moves, why) if moves else None


def more_decay(evidence: Evidence, why: str) -> Remedy | None:
    """Switches weight decay on, if there is none yet."""
    lever = evidence.levers.get("weight_decay")
    if lever is None or (lever.enabled and lever.value):
        return None
    return Remedy({"weight_decay": 1e-2}, why)


def reset(evidence: Evidence, name: str, value: LeverValue, why: str) -> Remedy | None:
    """Sets a lever that the run has."""
    return Remedy({name: value}, why) if name in evidence.levers else None
