"""Rules about the units of a layer: dead, saturated."""

from __future__ import annotations

import numpy as np

from tuimon.diagnosis.look import Look
from tuimon.diagnosis.measures.since import column_since
from tuimon.diagnosis.remedies import leaky, remedies, scaled_rate
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.log.records import Severity

HALF = 0.5  # of a layer's units: fewer dead or saturated ones cost capacity, but the layer still works
_WHOLE = 0.98  # nothing passes the layer


def _dead(look: Look) -> Verdict:
    panel = look.evidence.panel("dead_fraction")
    if not panel.count:
        return Abstains("dead units were not measured")
    latest = panel.lowest(3)
    layers = [i for i in np.flatnonzero(latest > HALF).tolist() if not _only_seems_dead(look, i)]
    if not layers or not look.suffers:
        return None
    worst = float(max(latest[i] for i in layers))
    first = layers[0]
    names = [look.evidence.names[i] for i in layers]
    step = column_since(panel, first, HALF)
    cures = remedies(
        leaky(look.evidence, names, "leaky ReLU lets dead units learn again"),
        scaled_rate(look.evidence, 0.5, "a lower learning rate keeps others from dying"),
    )
    more = f" (and of {len(names) - 1} more layers)" if len(names) > 1 else ""
    text = f"{names[0]}: {latest[first]:.0%} of units{more} have been dead since step {step}"
    text += f"; {cures[0].why}" if cures else ""
    lost: Severity = "critical" if look.stuck and worst > _WHOLE else "warning"
    return Symptom(text, step, {"dead_fraction": worst, "layers": float(len(layers))}, names[0], cures, severity=lost)


def _only_seems_dead(look: Look, column: int) -> bool:
    """Whether a layer may get no gradient without being the problem.

    Outputs get none once everything is learned; a normalization gets none after a dead layer.
    """
    info = look.evidence.infos[column]
    last = column == len(look.evidence.infos) - 1
    return info is not None and ((last and not info.activation) or "Norm" in info.type)


def _saturated(look: Look) -> Verdict:
    panel = look.evidence.panel("saturated_fraction")
    if not panel.count:
        return Abstains("no activation with an asymptote was sampled")
    latest = panel.lowest(3)
    layers = np.flatnonzero(latest > HALF).tolist()
    outputs = {len(look.evidence.infos) - 1}  # a classifier that is sure of its answers is saturated there
    layers = [i for i in layers if i not in outputs]
    if not layers or not look.suffers:
        return None
    first, name = layers[0], look.evidence.names[layers[0]]
    step = column_since(panel, first, HALF)
    more = f" (and of {len(layers) - 1} more layers)" if len(layers) > 1 else ""
    text = f"{name}: {latest[first]:.0%} of units{more} have been saturated since step {step}; almost no gradient passes them"
    evidence = {"saturated_fraction": float(latest[first]), "layers": float(len(layers))}
    return Symptom(text, step, evidence, name, severity="critical" if look.stuck else "warning")


RULES = (
    Rule(
        "dead-units",
        "warning",
        "Units of a ReLU layer give zero for every input, so they get no gradient and never change again. "
        "Leaky ReLU, a lower learning rate or another initialization keeps them alive.",
        ("dead_fraction/<layer>", "loss/train"),
        "Lu et al., Dying ReLU and Initialization, arXiv:1903.06733",
        _dead,
    ),
    Rule(
        "saturated-units",
        "warning",
        "Units sit at an end of their activation's range for nearly every input, where its slope is almost zero. "
        "Hardly any gradient passes them: smaller initial weights, normalized inputs or ReLU help.",
        ("saturated_fraction/<layer>", "loss/train"),
        "Glorot and Bengio, AISTATS 2010",
        _saturated,
    ),
)
