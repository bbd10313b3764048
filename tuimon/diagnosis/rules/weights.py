"""Rules about the weights themselves."""

from __future__ import annotations

import math

import numpy as np

from tuimon.diagnosis.look import Look
from tuimon.diagnosis.measures.depth import weighing
from tuimon.diagnosis.panel import lengths
from tuimon.diagnosis.remedies import more_decay, penalized, remedies, rewound, scaled_rate, together
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict

_SAMPLES = 8
_GROWN = 3.0  # times: more than what learning by heart adds to weights that began at their usual size
_STRONGER = 1.5  # than what makes them grow, as the loss does its part, too
_STEADY = 0.8  # of the growth of the first half: noise alone adds 0.4 (a random walk), training slows down


def _growing(look: Look) -> Verdict:
    panel = look.evidence.panel("weight_norm")
    if len(panel.thinned) < _SAMPLES:
        return Abstains("too few weights were sampled")
    columns = [i for i in weighing(look.evidence) if i < panel.thinned.shape[1]]
    totals = lengths(panel.thinned[:, columns])
    steps = panel.thinned_steps
    if not (totals > 0).all() or not np.isfinite(totals).all():
        return None
    middle = int(np.searchsorted(steps, (steps[0] + steps[-1]) / 2))
    early, late = totals[middle] - totals[0], totals[-1] - totals[middle]
    grown = float(totals[-1] / totals[0])
    if not (grown > _GROWN and early > 0 and late > _STEADY * early) or not _harms(look):
        return None
    text = (
        f"weights grow without end: their norm is {grown:.3g} times that of the first sample, and it grows as fast as ever; "
        "is a penalty's sign wrong?"
    )
    pull = penalized(
        look.evidence, _pull(look, totals[middle], totals[-1], int(steps[-1] - steps[middle])), "a penalty pulls them back"
    )
    back = together("back to smaller weights, and a penalty that outweighs what makes them grow", rewound(look.evidence), pull)
    cures = remedies(
        back,
        pull,
        more_decay(look.evidence, "weight decay pulls them back"),
        scaled_rate(look.evidence, 0.1, "smaller steps grow them less"),
    )
    return Symptom(text, int(steps[0]), {"grown": grown, "early": float(early), "late": float(late)}, remedies=cures)


def _pull(look: Look, then: float, now: float, steps: int) -> float:
    """An L2 penalty that outweighs the growth: at plain steps, a growth by a share is that share over the rate."""
    rate = look.usual("lr")
    share = math.log(now / then) / max(steps, 1)
    return _STRONGER * share / rate if rate > 0 and share > 0 else 0.0


def _harms(look: Look) -> bool:
    """Whether the run is no better for it: its loss is beyond what it can mean, or worse on other data."""
    validation = look.validation
    rises = validation is not None and validation.rise > 3 * validation.error and validation.rise > 0.1 * validation.fall
    return look.suffers or rises


RULES = (
    Rule(
        "weights-growing",
        "critical",
        "The weights become larger at the same pace from beginning to end, which no sound training does. "
        "Sooner or later the numbers overflow: look at the signs of loss and penalties, and use weight decay.",
        ("weight_norm/<layer>", "loss/train", "loss/val"),
        "Wardat et al., DeepDiagnosis, ICSE 2022 (exploding tensor)",
        _growing,
    ),
)
