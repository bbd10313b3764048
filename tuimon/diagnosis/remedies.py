"""Lever settings that may help, at absolute values, so that applying them twice does no more. Only levers that the run has.

An action has no value: None. Levers are moved in the given order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np

from tuimon.diagnosis.evidence import LOSS, Evidence
from tuimon.diagnosis.look import Look
from tuimon.log.records import Command, Finding, LeverInfo, LeverValue, Remedy

_LEAST_SCALE = 1e-6
_LEARNED = 0.5  # of the first loss: whoever has learned less than half has little to lose
_BEGINNING = 8  # losses
_RECTIFIER = ("relu", "gelu", "silu")  # in this order in place of what saturates
_SQUASHING = ("sigmoid", "tanh", "hardsigmoid", "hardtanh", "softsign")
REWIND, REVIVE, RENEW = "rewind", "reinit_dead_units", "reinit_weights"
_LASTING = frozenset((REWIND, REVIVE, RENEW, "reset_optimizer"))


def remedies(*some: Remedy | None) -> tuple[Remedy, ...]:
    """Those that the run can carry out, in the order to try; each once."""
    found: list[Remedy] = []
    for one in some:
        if one is not None and all(one.levers != other.levers for other in found):
            found.append(one)
    return tuple(found)


def scaled_rate(evidence: Evidence, factor: float, why: str) -> Remedy | None:
    """Scales the learning rate by a factor, from its present value."""
    lever = evidence.levers.get("lr_scale")
    if lever is None or isinstance(lever.value, bool) or not isinstance(lever.value, float | int):
        return None
    value = float(f"{float(lever.value) * factor:.6g}")
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


def rectified(evidence: Evidence, why: str) -> Remedy | None:
    """Replaces squashing activations of all layers by one that does not saturate, where the run can do that."""
    lever = evidence.levers.get("activation")
    if lever is None or lever.value not in _SQUASHING:
        return None
    name = next((one for one in _RECTIFIER if one in lever.choices), None)
    return Remedy({"activation": name}, why) if name else None


def more_decay(evidence: Evidence, why: str) -> Remedy | None:
    """Switches weight decay on, or makes it ten times as strong, to 0.1 at most."""
    lever = evidence.levers.get("weight_decay")
    if lever is None or isinstance(lever.value, bool) or not isinstance(lever.value, float | int):
        return None
    now = float(lever.value) if lever.enabled else 0.0
    value = float(f"{min(10 * now, 0.1) if now else 1e-2:.3g}")
    return Remedy({"weight_decay": value}, why) if value > now else None


def penalized(evidence: Evidence, strength: float, why: str) -> Remedy | None:
    """Adds a penalty on the size of the weights, unless there is a stronger one."""
    lever = evidence.levers.get("l2")
    if lever is None or not isinstance(lever.value, float | int) or not 0 < strength < (lever.high or math.inf):
        return None
    return Remedy({"l2": float(f"{strength:.3g}")}, why) if strength > float(lever.value) else None


def reset(evidence: Evidence, name: str, value: LeverValue, why: str) -> Remedy | None:
    """Sets a lever that the run has, unless it stands there already, or does an action."""
    lever = evidence.levers.get(name)
    if lever is None or (value is not None and lever.value == value and lever.enabled):
        return None
    return Remedy({name: value}, why)


def revived(evidence: Evidence, why: str) -> Remedy | None:
    """Draws dead units anew."""
    return reset(evidence, REVIVE, None, why)


def renewed(evidence: Evidence, why: str) -> Remedy | None:
    """Draws all weights anew, where nothing was learned that would be lost."""
    return None if has_learned(evidence) else reset(evidence, RENEW, None, why)


def together(why: str, *some: Remedy | None) -> Remedy | None:
    """One remedy of the levers of several; None if one of them is."""
    moves: dict[str, LeverValue] = {}
    for one in some:
        if one is None:
            return None
        moves |= one.levers
    return Remedy(moves, why)


def rewound(evidence: Evidence, to_start: bool = False) -> Remedy | None:
    """Goes back to where nothing was lost yet: to the first checkpoint of a run that has learned nothing, else to the best.

    None where the first one's weights have been replaced since, as they were no good.

    Args:
        evidence: of the run.
        to_start: to the first in any case, as the best one of the others has the fault, too.
    """
    first, renewal = evidence.first_checkpoint, evidence.applied.get(RENEW)
    if REWIND not in evidence.levers or first is None:
        return None
    learned = has_learned(evidence) and not to_start
    if not learned and renewal is not None and renewal.step >= first:
        return None
    return Remedy({REWIND: "best" if learned else "first"})


def has_learned(evidence: Evidence) -> bool:
    """Whether the loss was ever far below where it began, and far below that of guessing, where that is known."""
    trace = evidence.trace(LOSS)
    if trace is None:
        return False
    head = trace.head[np.isfinite(trace.head)][:_BEGINNING]
    means = np.concatenate([trace.stretches, trace.recent])
    means = means[np.isfinite(means)]
    if len(head) < _BEGINNING or len(means) < 2 * _BEGINNING:
        return False
    begin = min(float(head[0]), float(np.median(head)))  # a loss that shot up at first has learned nothing by coming down again
    lowest = float(np.median(np.sort(means)[:_BEGINNING]))
    if (guessing := Look(evidence).chance) is not None:  # a start that is worse than guessing is made good, and nothing learned
        begin = min(begin, guessing.loss)
    return lowest < begin - _LEARNED * abs(begin)


def remedies_of(finding: Finding) -> tuple[Remedy, ...]:
    """A finding's remedies, also of a log of an earlier version, which names the levers of one."""
    return finding.remedies or ((Remedy(finding.remedy),) if finding.remedy else ())


def cannot(remedy: Remedy, levers: Mapping[str, LeverInfo]) -> str:
    """Why a run with these levers cannot apply a remedy; empty if it can."""
    missing = [name for name in remedy.levers if name not in levers]
    return f"this run has no lever {missing[0]}" if missing else ""


def first_that_can(finding: Finding, levers: Mapping[str, LeverInfo]) -> Remedy | None:
    """The first of a finding's remedies that a run with these levers can apply."""
    return next((one for one in remedies_of(finding) if not cannot(one, levers)), None)


def commands(remedy: Remedy, levers: Mapping[str, LeverInfo], by: str = "") -> list[Command]:
    """What a run is asked to do, in order; first of all a checkpoint, where `undo` could not bring back what is replaced."""
    moves = [Command(name, "do" if value is None else "set", value, by=by) for name, value in remedy.levers.items()]
    keeps = "checkpoint" in levers and not _LASTING.isdisjoint(remedy.levers)
    return [Command("checkpoint", "do", by=by), *moves] if keeps else moves
