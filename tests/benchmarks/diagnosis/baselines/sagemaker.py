"""Amazon SageMaker Debugger's built-in rules at their default thresholds, over tuimon's log.

Written anew from their public documentation ("List of Debugger Built-in Rules", Amazon SageMaker Developer Guide); no code of
theirs. Each rule is given what the log holds of it, and left out where it holds nothing: ClassImbalance needs labels and
predictions, CheckInputImages images, TensorVariance and UnchangedTensor have no default or need whole tensors.

- Where they look at the mean of the absolute values, we have a norm and a histogram in powers of two: the mean is that of the
  bins' geometric middles.
- SaturatedActivation counts inputs of tanh or sigmoid beyond ±9.5 or −23…17; the log has outputs only: a unit's share within
  5 % of an asymptote, which is wider, so their rule is spared what ours cannot tell by counting from 95 % of a layer on.
- PoorWeightInitialization compares the variances of inputs of ReLUs across layers; we have the ranges of outputs, squared.
- Severity: a job is stopped on any of them, so all are errors in their own terms; non-finite tensors are critical here, the
  rest warnings.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from tuimon.log.histogram import edges
from tuimon.log.store import Store

VANISHING = 1e-7  # VanishingGradient: mean of the absolute values of a gradient
DEAD_LAYER = 0.5  # DeadRelu: threshold_layer, 50 %
SATURATED_LAYER = 0.5  # SaturatedActivation: threshold_layer, 50 %
UPDATE_LARGE, UPDATE_SMALL = 10.0, 1e-8  # WeightUpdateRatio
OVERFIT_RATIO = 0.1  # Overfit: ratio_threshold, patience 1
LOSS_STEPS, LOSS_PERCENT = 10, 0.1  # LossNotDecreasing: num_steps, diff_percent
TRAIN_PATIENCE, VAL_PATIENCE, DELTA = 5, 10, 0.01  # Overtraining
INIT_STEPS, INIT_RATIO = 10, 10.0  # PoorWeightInitialization: steps, threshold

_EDGES = np.array(edges())
_MIDDLES = np.abs(np.append(_EDGES[0], (_EDGES[1:] + _EDGES[:-1]) / 2))


def look(store: Store) -> Iterator[tuple[str, str]]:
    """What the rules say now: rule and severity."""
    for name, rule in RULES.items():
        if rule(store):
            yield f"sagemaker:{name}", "critical" if name == "ExplodingTensor" else "warning"


def _last_of(store: Store, prefix: str) -> list[float]:
    return [series.last for tag, series in store.series.items() if tag.startswith(prefix) and len(series)]


def vanishing_gradient(store: Store) -> bool:
    """The mean of the absolute values of a gradient is below the threshold."""
    for tag, table in store.histograms.items():
        if tag.startswith("gradient/") and len(table):
            counts = table.counts[-1]
            if counts.sum() and float((counts * _MIDDLES).sum() / counts.sum()) < VANISHING:
                return True
    return any(norm == 0 for norm in _last_of(store, "grad_norm/"))


def exploding_tensor(store: Store) -> bool:
    """A loss, a gradient, a weight or an output is NaN or infinite."""
    tags = ("grad_norm/", "weight_norm/", "activation_max/", "loss/")
    return any(not np.isfinite(value) for tag in tags for value in _last_of(store, tag))


def dead_relu(store: Store) -> bool:
    """More than half of a layer's ReLUs are dead."""
    return any(fraction > DEAD_LAYER for fraction in _last_of(store, "dead_fraction/"))


def saturated_activation(store: Store) -> bool:
    """More than half of a layer's tanhs or sigmoids are saturated."""
    return any(fraction > SATURATED_LAYER for fraction in _last_of(store, "saturated_fraction/"))


def weight_update_ratio(store: Store) -> bool:
    """A layer's update is larger than ten times its weights, or smaller than 10⁻⁸ of them."""
    return any(ratio > UPDATE_LARGE or ratio < UPDATE_SMALL for ratio in _last_of(store, "update_ratio/"))


def loss_not_decreasing(store: Store) -> bool:
    """Ten steps later the loss is not a tenth of a per cent lower, at any of the looks so far, one every ten steps."""
    if "loss/train" not in store or len(store["loss/train"]) <= LOSS_STEPS:
        return False
    losses = store["loss/train"].values
    places = np.arange(LOSS_STEPS, len(losses), LOSS_STEPS)
    now, before = losses[places], losses[places - LOSS_STEPS]
    return bool((now > before * (1 - LOSS_PERCENT / 100)).any())


def overfit(store: Store) -> bool:
    """The validation loss is more than a tenth above the training loss."""
    if not {"loss/train", "loss/val"} <= store.series.keys() or not len(store["loss/val"]):
        return False
    train, val = store["loss/train"], store["loss/val"]
    since = val.steps[-2] if len(val) > 1 else 0
    mean = train.values[train.steps > since].mean() if (train.steps > since).any() else train.last
    if not math.isfinite(val.last) or not math.isfinite(mean):
        return False
    return bool(val.last - mean > OVERFIT_RATIO * mean > 0)


def overtraining(store: Store) -> bool:
    """Neither loss has a new optimum: the training loss for 5 values, the validation loss for 10."""
    return all(
        tag in store and _without_optimum(store[tag].values) > patience
        for tag, patience in (("loss/train", TRAIN_PATIENCE), ("loss/val", VAL_PATIENCE))
    )


def _without_optimum(losses: np.ndarray) -> int:
    best, since = np.inf, 0
    for loss in losses:
        if loss < best - DELTA:
            best, since = loss, 0
        else:
            since += 1
    return since


def poor_weight_initialization(store: Store) -> bool:
    """In the first ten steps the squared ranges of two layers' outputs differ by more than the threshold."""
    spreads = [
        float((series.values[0] - store[tag.replace("_max/", "_min/")].values[0]) ** 2)
        for tag, series in store.series.items()
        if tag.startswith("activation_max/") and len(series) and series.steps[0] <= INIT_STEPS
    ]
    return len(spreads) > 1 and max(spreads) > INIT_RATIO * min(spreads)


RULES = {
    "VanishingGradient": vanishing_gradient,
    "ExplodingTensor": exploding_tensor,
    "DeadRelu": dead_relu,
    "SaturatedActivation": saturated_activation,
    "WeightUpdateRatio": weight_update_ratio,
    "LossNotDecreasing": loss_not_decreasing,
    "Overfit": overfit,
    "Overtraining": overtraining,
    "PoorWeightInitialization": poor_weight_initialization,
}
