"""Rules: pure functions from what a log says to findings.

Each rule looks at a `Store` and yields findings; it changes nothing, keeps no state, and gives the same answer live, later and
on another machine. A remedy names levers that the run has, at absolute values, so that applying it twice does no more than
once. Runs in any reader's process, on the thread that owns the store.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from tuimon.log.records import Finding, LeverValue
from tuimon.log.store import Store

DEAD_FRACTION = 0.1
SATURATED_FRACTION = 0.5
VANISHED_RATIO = 1e-4
EXPLODED_GROWTH = 100.0
DIVERGED_GROWTH = 10.0
DIVERGED_STEPS = 10
OVERFIT_RISE = 0.2  # of the least validation loss

Rule = Callable[[Store], Iterator[Finding]]


def diagnose(store: Store) -> list[Finding]:
    """All findings of all rules, the gravest first."""
    found = [finding for rule in RULES for finding in rule(store)]
    return sorted(found, key=lambda finding: ("error", "warning", "info").index(finding.severity))


def non_finite_loss(store: Store) -> Iterator[Finding]:
    """The latest training loss is NaN or infinite."""
    if "loss/train" not in store or not len(store["loss/train"]) or math.isfinite(store["loss/train"].last):
        return
    losses = store["loss/train"]
    finite = np.flatnonzero(np.isfinite(losses.values))
    since = int(losses.steps[finite[-1] + 1 if len(finite) else 0])
    text = f"loss is {losses.last} since step {since}: restart from a checkpoint before it, with a lower rate or clipping"
    yield Finding(since, "non-finite-loss", text, severity="error")


def diverging_loss(store: Store) -> Iterator[Finding]:
    """The lowest of the latest training losses is ten times the highest of the first ones, and still a number."""
    losses = store["loss/train"].values if "loss/train" in store else np.empty(0)
    if len(losses) < 2 * DIVERGED_STEPS or not math.isfinite(losses[-1]):
        return
    high = DIVERGED_GROWTH * float(losses[:DIVERGED_STEPS].max())
    if not losses[-DIVERGED_STEPS:].min() > high > 0:
        return
    step = _since(store, "loss/train", high)
    text = f"loss diverges: {high / DIVERGED_GROWTH:.3g} at first → {losses[-1]:.3g}; a lower rate may bring it back"
    yield Finding(step, "diverging-loss", text, remedy=_scaled_rate(store, 0.5))


def dead_units(store: Store) -> Iterator[Finding]:
    """More than a tenth of a layer's units put out zero, and get no gradient, for every sample of the observed window."""
    for layer, fraction in _latest(store, "dead_fraction/"):
        if not fraction > DEAD_FRACTION or _only_seems_dead(store, layer):
            continue
        step = _since(store, f"dead_fraction/{layer}", DEAD_FRACTION)
        leaky = _leaky(store, layer)
        cure = "leaky ReLU lets them learn again" if leaky else "a lower rate keeps more from dying"
        text = f"{layer}: {fraction:.0%} of units are dead since step {step}; {cure}"
        yield Finding(step, "dead-units", text, layer, remedy=leaky or _scaled_rate(store, 0.5))


def saturated_units(store: Store) -> Iterator[Finding]:
    """More than half of a layer's units sit at an asymptote of their activation."""
    for layer, fraction in _latest(store, "saturated_fraction/"):
        if not fraction > SATURATED_FRACTION:
            continue
        step = _since(store, f"saturated_fraction/{layer}", SATURATED_FRACTION)
        text = f"{layer}: {fraction:.0%} of units are saturated since step {step}; hardly any gradient passes them"
        yield Finding(step, "saturated-units", text, layer)


def vanishing_gradients(store: Store) -> Iterator[Finding]:
    """The first layer's gradient is orders of magnitude below the last layer's.

    It may have come down to zero itself, where the layer after it gets next to none either: an embedding whose words do not
    occur in a batch gets none, and nothing is wrong with it.
    """
    norms = _latest(store, "grad_norm/")
    if len(norms) < 3:
        return
    (first, small), (_, second), (last, large) = norms[0], norms[1], norms[-1]
    if not small < large * VANISHED_RATIO or (small == 0 and not second < large * VANISHED_RATIO):
        return
    text = f"gradient vanishes on its way back: {first} gets {small:.1e}, {last} has {large:.1e}"
    yield Finding(_last_step(store, f"grad_norm/{first}"), "vanishing-gradient", text, first)


def exploding_gradients(store: Store) -> Iterator[Finding]:
    """A layer's gradient norm is a hundred times its own upper quartile so far.

    Not its median, which is next to nothing in a run whose units were dead for most of it.
    """
    for layer, norm in _latest(store, "grad_norm/"):
        norms = store[f"grad_norm/{layer}"].values
        if len(norms) < 10:
            continue
        rank = 3 * len(norms) // 4
        usual = float(np.partition(norms, rank)[rank])  # np.quantile has numpy import its masked arrays
        if not norm > EXPLODED_GROWTH * usual > 0:
            continue
        text = f"{layer}: gradient norm {norm:.1e} is {norm / usual:.0f} times what it usually is; clipping bounds it"
        remedy: dict[str, LeverValue] = {"clip_norm": round(5 * usual, 6)} if "clip_norm" in store.levers else {}
        yield Finding(_last_step(store, f"grad_norm/{layer}"), "exploding-gradient", text, layer, remedy=remedy)


def over_fitting(store: Store) -> Iterator[Finding]:
    """The validation loss is a fifth above its best while the training loss is below where it was then."""
    if "loss/val" not in store or "loss/train" not in store or len(store["loss/val"]) < 3:
        return
    val, train = store["loss/val"], store["loss/train"]
    best = int(np.argmin(np.where(np.isfinite(val.values), val.values, np.inf)))
    then = int(np.searchsorted(train.steps, val.steps[best]))
    rise = val.last - val.values[best]
    has_risen = rise > OVERFIT_RISE * abs(val.values[best])  # a likelihood's loss may be negative
    if not has_risen or not train.last < np.mean(train.values[max(0, then - 10) : then + 1]):
        return
    step = int(val.steps[best])
    text = f"over-fits: validation loss {val.values[best]:.3g} → {val.last:.3g} while training loss falls"
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
    """Layers and latest values of a per-layer tag, in the model's order; NaN where a resumed run has none yet."""
    layers = [layer.name for layer in store.started.layers] if store.started else []
    return [(layer, store.last(prefix + layer)) for layer in layers if prefix + layer in store]


def _only_seems_dead(store: Store, name: str) -> bool:
    """Outputs get no gradient where all is learned, but are not zero; a norm is as dead as the layer before it."""
    layers = store.started.layers if store.started else ()
    layer = next(layer for layer in layers if layer.name == name)
    return (layer is layers[-1] and not layer.activation) or "Norm" in layer.type


def _last_step(store: Store, tag: str) -> int:
    """The step of a tag's latest sample."""
    return int(store[tag].steps[-1])


def _since(store: Store, tag: str, threshold: float) -> int:
    """The first step from which on the values stay above the threshold."""
    series = store[tag]
    below = np.flatnonzero(~(series.values > threshold))
    return int(series.steps[below[-1] + 1 if len(below) else 0])


def _scaled_rate(store: Store, factor: float) -> dict[str, LeverValue]:
    """Half of the base rate; nothing when it is that low already, as the finding stays for a while after its cure."""
    lever = store.levers.get("lr_scale")
    if lever is None or not isinstance(lever.value, float | int) or lever.value <= factor:
        return {}
    return {"lr_scale": float(lever.value) * factor}


def _leaky(store: Store, layer: str) -> dict[str, LeverValue]:
    """Leaky ReLU after a layer whose ReLU can be exchanged: the one cure that brings units back."""
    name = f"activation/{layer}"
    lever = store.levers.get(name)
    return {name: "leaky_relu"} if lever and lever.value == "relu" and "leaky_relu" in lever.choices else {}


def _more_decay(store: Store) -> dict[str, LeverValue]:
    lever = store.levers.get("weight_decay")
    if lever is None or (lever.enabled and lever.value):
        return {}
    return {"weight_decay": 1e-2}
