"""The seven rules that tuimon had in November 2026; kept unchanged, as a baseline.

Each rule reads a `Store` and yields findings; it changes nothing, keeps no state, and gives the same result live, later and on
another machine. A remedy names levers of the run with absolute values, so that applying it twice has the effect of once. Runs
in any reader's process, on the thread that owns the store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from tuimon.base.errors import in_one_line
from tuimon.log.store import Store

DEAD_FRACTION = 0.1
SATURATED_FRACTION = 0.5
VANISHED_RATIO = 1e-4
EXPLODED_GROWTH = 100.0
DIVERGED_GROWTH = 10.0
DIVERGED_STEPS = 10
OVERFIT_RISE = 0.2  # as a fraction of the lowest validation loss

LeverValue = float | bool | str | None


@dataclass(frozen=True)
class Finding:
    """What a rule found."""

    step: int
    rule: str
    text: str
    layer: str = ""
    severity: str = "warning"
    remedy: dict[str, LeverValue] = field(default_factory=dict)


Rule = Callable[[Store], Iterator[Finding]]


def diagnose(store: Store) -> list[Finding]:
    """All findings of all rules, the most severe first."""
    found = [finding for rule in RULES for finding in _findings_of(rule, store)]
    return sorted(found, key=lambda finding: ("error", "warning", "info").index(finding.severity))


def _findings_of(rule: Rule, store: Store) -> list[Finding]:
    """What a rule finds; an error in it is said as a finding, and costs no other rule's."""
    try:
        return list(rule(store))
    except Exception as error:
        name = rule.__name__.replace("_", "-")
        return [Finding(store.step, name, f"the rule {name} cannot be applied: {in_one_line(error)}", severity="info")]


def non_finite_loss(store: Store) -> Iterator[Finding]:
    """The latest training loss is NaN or infinite."""
    if "loss/train" not in store or not len(store["loss/train"]) or math.isfinite(store["loss/train"].last):
        return
    losses = store["loss/train"]
    finite = np.flatnonzero(np.isfinite(losses.values))
    since = int(losses.steps[finite[-1] + 1 if len(finite) else 0])
    text = f"loss has been {losses.last} since step {since}: restart from an earlier checkpoint with a lower learning rate"
    yield Finding(since, "non-finite-loss", text, severity="error")


def diverging_loss(store: Store) -> Iterator[Finding]:
    """The lowest of the latest 10 training losses is above 10 times the highest of the first 10, and finite."""
    losses = store["loss/train"].values if "loss/train" in store else np.empty(0)
    if len(losses) < 2 * DIVERGED_STEPS or not math.isfinite(losses[-1]):
        return
    high = DIVERGED_GROWTH * float(losses[:DIVERGED_STEPS].max())
    if not losses[-DIVERGED_STEPS:].min() > high > 0:
        return
    step = _since(store, "loss/train", high)
    text = f"loss diverges: {high / DIVERGED_GROWTH:.3g} at first → {losses[-1]:.3g} now; try a lower learning rate"
    yield Finding(step, "diverging-loss", text, remedy=_scaled_rate(store, 0.5))


def dead_units(store: Store) -> Iterator[Finding]:
    """More than a tenth of a layer's units output zero, and get zero gradient, for every sample of the observed window."""
    for layer, fraction in _latest(store, "dead_fraction/"):
        if not fraction > DEAD_FRACTION or _only_seems_dead(store, layer):
            continue
        step = _since(store, f"dead_fraction/{layer}", DEAD_FRACTION)
        leaky = _leaky(store, layer)
        cure = "leaky ReLU lets them learn again" if leaky else "a lower learning rate keeps others from dying"
        text = f"{layer}: {fraction:.0%} of units have been dead since step {step}; {cure}"
        yield Finding(step, "dead-units", text, layer, remedy=leaky or _scaled_rate(store, 0.5))


def saturated_units(store: Store) -> Iterator[Finding]:
    """More than half of a layer's units are at an asymptote of their activation."""
    for layer, fraction in _latest(store, "saturated_fraction/"):
        if not fraction > SATURATED_FRACTION:
            continue
        step = _since(store, f"saturated_fraction/{layer}", SATURATED_FRACTION)
        text = f"{layer}: {fraction:.0%} of units have been saturated since step {step}; almost no gradient passes them"
        yield Finding(step, "saturated-units", text, layer)


def vanishing_gradients(store: Store) -> Iterator[Finding]:
    """The first layer's gradient norm is more than 10⁴ times smaller than the last layer's.

    A norm of zero counts only if the second layer's norm is tiny, too: an embedding gets no gradient if none of its words occur
    in a batch, and nothing is wrong with it.
    """
    norms = _latest(store, "grad_norm/")
    if len(norms) < 3:
        return
    (first, small), (_, second), (last, large) = norms[0], norms[1], norms[-1]
    if not small < large * VANISHED_RATIO or (small == 0 and not second < large * VANISHED_RATIO):
        return
    text = f"gradient vanishes on its way back: its norm is {large:.1e} at {last}, but {small:.1e} at {first}"
    yield Finding(_last_step(store, f"grad_norm/{first}"), "vanishing-gradient", text, first)


def exploding_gradients(store: Store) -> Iterator[Finding]:
    """A layer's gradient norm is above 100 times its own upper quartile so far.

    Not its median, which is close to zero in a run whose units were dead most of the time.
    """
    for layer, norm in _latest(store, "grad_norm/"):
        norms = store[f"grad_norm/{layer}"].values
        if len(norms) < 10:
            continue
        rank = 3 * len(norms) // 4
        usual = float(np.partition(norms, rank)[rank])  # np.quantile would import numpy's masked arrays
        if not norm > EXPLODED_GROWTH * usual > 0:
            continue
        text = f"{layer}: gradient norm {norm:.1e} is {norm / usual:.0f} times its usual value; clipping limits it"
        remedy: dict[str, LeverValue] = {"clip_norm": round(5 * usual, 6)} if "clip_norm" in store.levers else {}
        yield Finding(_last_step(store, f"grad_norm/{layer}"), "exploding-gradient", text, layer, remedy=remedy)


def over_fitting(store: Store) -> Iterator[Finding]:
    """The validation loss is a fifth above its best, and the training loss lower than it was at that best."""
    if "loss/val" not in store or "loss/train" not in store or len(store["loss/val"]) < 3:
        return
    val, train = store["loss/val"], store["loss/train"]
    best = int(np.argmin(np.where(np.isfinite(val.values), val.values, np.inf)))
    then = int(np.searchsorted(train.steps, val.steps[best]))
    rise = val.last - val.values[best]
    has_risen = rise > OVERFIT_RISE * abs(val.values[best])  # a log-likelihood loss can be negative
    if not has_risen or not train.last < np.mean(train.values[max(0, then - 10) : then + 1]):
        return
    step = int(val.steps[best])
    text = f"overfitting: validation loss rose from {val.values[best]:.3g} to {val.last:.3g} while training loss fell"
    yield Finding(step, "over-fitting", text, remedy=_more_decay(store))


RULES: tuple[Rule, ...] = (
    non_finite_loss,
    diverging_loss,
    exploding_gradients,
    dead_units,
    saturated_units,
    vanishing_gradients,
    over_fitting,
)


def _latest(store: Store, prefix: str) -> list[tuple[str, float]]:
    """Layers and latest values of a per-layer tag, in model order; NaN if a resumed run has no value yet."""
    layers = [layer.name for layer in store.started.layers] if store.started else []
    return [(layer, store.last(prefix + layer)) for layer in layers if prefix + layer in store]


def _only_seems_dead(store: Store, name: str) -> bool:
    """Whether a layer may get no gradient without being the problem.

    Outputs get none once everything is learned; a normalization gets none after a dead layer.
    """
    layers = store.started.layers if store.started else ()
    layer = next(layer for layer in layers if layer.name == name)
    return (layer is layers[-1] and not layer.activation) or "Norm" in layer.type


def _last_step(store: Store, tag: str) -> int:
    """The step of the latest sample of a tag."""
    return int(store[tag].steps[-1])


def _since(store: Store, tag: str, threshold: float) -> int:
    """The first step from which the values stay above the threshold."""
    series = store[tag]
    below = np.flatnonzero(~(series.values > threshold))
    return int(series.steps[below[-1] + 1 if len(below) else 0])


def _scaled_rate(store: Store, factor: float) -> dict[str, LeverValue]:
    """A remedy that scales the learning rate; empty if it is that low already, as a finding outlasts its cure."""
    lever = store.levers.get("lr_scale")
    if lever is None or not isinstance(lever.value, float | int) or lever.value <= factor:
        return {}
    return {"lr_scale": float(lever.value) * factor}


def _leaky(store: Store, layer: str) -> dict[str, LeverValue]:
    """A remedy that replaces a layer's ReLU by leaky ReLU, the only one that revives units; empty if it has no such lever."""
    name = f"activation/{layer}"
    lever = store.levers.get(name)
    return {name: "leaky_relu"} if lever and lever.value == "relu" and "leaky_relu" in lever.choices else {}


def _more_decay(store: Store) -> dict[str, LeverValue]:
    lever = store.levers.get("weight_decay")
    if lever is None or (lever.enabled and lever.value):
        return {}
    return {"weight_decay": 1e-2}
