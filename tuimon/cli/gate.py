"""The gate of `compare`: whether runs are not worse, and not slower, than the first one by more than was allowed.

Exit codes: 0 if all pass, 1 if one does not, 3 if one cannot be compared, and why. Pure functions on stores.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from tuimon.base import format
from tuimon.launcher.runs.lines import GateLine
from tuimon.launcher.runs.loss import VALIDATION, latest, loss_tag
from tuimon.launcher.runs.status import Status
from tuimon.log.store import Store

Verdict = Literal["pass", "fail", "cannot compare"]
CODES: dict[Verdict, int] = {"pass": 0, "fail": 1, "cannot compare": 3}
_SAME_STEPS = 0.01  # a run with fewer steps than the first, by more than this share, was not trained as long
_WARM_UP = 0.1  # share of the steps at the start whose speed does not count
_LEAST_TIMED = 50  # steps


@dataclass(frozen=True)
class Limits:
    """By how much a run may be worse than the first one, as shares; None: no matter."""

    loss: float | None = None
    slower: float | None = None


NO_LIMITS = Limits()


@dataclass(frozen=True)
class Side:
    """A run to be judged."""

    run: str
    status: Status
    store: Store


def judge(first: Side, other: Side, limits: Limits) -> GateLine:
    """Judges a run beside the first one."""
    loss = _loss_change(first.store, other.store)
    slower = _slowdown(first.store, other.store)
    reasons = tuple(_obstacles(first, other, limits))
    verdict: Verdict = "cannot compare"
    if not reasons:
        reasons = tuple(_excesses(loss, slower, limits))
        verdict = "fail" if reasons else "pass"
    return GateLine(
        run=other.run, baseline=first.run, verdict=verdict, reasons=reasons, loss_change=loss, slowdown=slower
    )  # fmt: skip


def said(line: GateLine, limits: Limits) -> str:
    """A verdict in one line: `b: pass: val loss 0.4 % lower, 2 % slower than a`."""
    if line.reasons:
        return f"{line.run}: {line.verdict}: {'; '.join(line.reasons)}"
    parts = []
    if limits.loss is not None and line.loss_change is not None:
        parts.append(f"loss {_share(line.loss_change, 'higher', 'lower')}")
    if limits.slower is not None and line.slowdown is not None:
        parts.append(_share(line.slowdown, "slower", "faster"))
    return f"{line.run}: {line.verdict}: {', '.join(parts)} than {line.baseline}"


def _share(change: float, more: str, less: str) -> str:
    return f"{abs(change):.1%}".replace("%", " %") + f" {more if change > 0 else less}"


def _obstacles(first: Side, other: Side, limits: Limits) -> Iterator[str]:
    """Why two runs cannot be compared."""
    for side in (first, other):
        if side.status.state != "finished":
            yield f"{side.run} is {side.status.state}"
    for what, of in (("device", _device), ("batch size", _batch_size)):
        one, two = of(first.store), of(other.store)
        if one != two:
            yield f"another {what}: {_named(two)}, not {_named(one)} as {first.run}"
    if other.store.step < (1 - _SAME_STEPS) * first.store.step:
        yield f"too few steps: {format.count(other.store.step)}, not {format.count(first.store.step)} as {first.run}"
    if limits.loss is not None:
        for side in (first, other):
            if _loss(side.store, _loss_tag(first.store, other.store)) is None:
                yield f"{side.run} has no loss"
        base = _loss(first.store, _loss_tag(first.store, other.store))
        if base is not None and not (math.isfinite(base) and base != 0):
            yield f"the loss of {first.run} is {format.number(base)}"
    if limits.slower is not None:
        for side in (first, other):
            timed = len(_timed(side.store))
            if timed < _LEAST_TIMED:
                yield f"too few steps of {side.run} to time it: {timed}, not {_LEAST_TIMED}"


def _excesses(loss: float | None, slower: float | None, limits: Limits) -> Iterator[str]:
    if limits.loss is not None and (loss is None or loss > limits.loss):
        by = "not finite" if loss is None else _share(loss, "higher", "lower")
        yield f"loss {by}, at most {_allowed(limits.loss)} is allowed"
    if limits.slower is not None and slower is not None and slower > limits.slower:
        yield f"{_share(slower, 'slower', 'faster')}, at most {_allowed(limits.slower)} is allowed"


def _allowed(share: float) -> str:
    return f"{100 * share:g} %"


def _loss_tag(*stores: Store) -> str:
    """The validation loss if all have one; else "", for each one's training loss."""
    return VALIDATION if all(VALIDATION in store for store in stores) else ""


def _loss(store: Store, tag: str) -> float | None:
    return latest(store, tag or loss_tag(store))


def _loss_change(first: Store, other: Store) -> float | None:
    """How much higher the other's loss is, as a share of the first one's; None if that is no number."""
    tag = _loss_tag(first, other)
    one, two = _loss(first, tag), _loss(other, tag)
    if one is None or two is None or not one or not math.isfinite(two - one):
        return None
    return (two - one) / abs(one)


def _timed(store: Store) -> Any:
    """Speeds of the steps after the warm-up, in steps a second."""
    speeds = store["throughput"].values.astype(float) if "throughput" in store else np.empty(0)
    speeds = speeds[int(_WARM_UP * len(speeds)) :]
    return speeds[np.isfinite(speeds) & (speeds > 0)]


def _slowdown(first: Store, other: Store) -> float | None:
    """How much longer the other's median step takes, as a share."""
    one, two = _timed(first), _timed(other)
    return float(np.median(one) / np.median(two) - 1) if len(one) and len(two) else None


def _device(store: Store) -> str:
    return (store.started.device_name or store.started.device) if store.started else ""


def _batch_size(store: Store) -> object:
    started = store.started
    data = (started.spec or {}).get("data") if started else None
    if isinstance(data, dict) and "batch_size" in data:
        return data["batch_size"]
    return (started.config or {}).get("batch_size") if started else None


def _named(value: object) -> str:
    return str(value) if value not in (None, "") else "unknown"
