"""Rules about the training loss itself: it is lost, or grows."""

from __future__ import annotations

import math

from tuimon.diagnosis.evidence import LOSS
from tuimon.diagnosis.look import Look
from tuimon.diagnosis.remedies import remedies, scaled_rate
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict

_DIVERGED = 10.0  # times the first loss above it: far beyond what a bad batch or a rising target does
_DIVERGING = 2.0  # times, where the weights move too far at each step, too
_FAR = 0.1  # a tenth of the weights in one step: ten times the upper end of the usual band


def _non_finite(look: Look) -> Verdict:
    trace = look.evidence.trace(LOSS)
    if trace is None:
        return Abstains("no training loss is logged")
    if trace.bad_since is None:
        return None
    step = trace.bad_since
    where = _first_bad_layer(look)
    at = f"; the first layer with a gradient that is not finite is {where}" if where else ""
    cure = "restart from an earlier checkpoint with a lower learning rate"
    text = f"loss has been {_word(trace.last)} since step {step}{at}: {cure}"
    return Symptom(text, step, {"losses_not_finite": float(trace.spoiled)}, where, at_once=True)


def _word(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _first_bad_layer(look: Look) -> str:
    """The layer nearest the output among those whose latest gradient is not finite, while another's is."""
    panel = look.evidence.panel("grad_norm")
    last = panel.last
    bad = [i for i, value in enumerate(last.tolist()) if not math.isfinite(value)]
    seen = [i for i in bad if (panel.thinned[:, i] == panel.thinned[:, i]).any()]
    return look.evidence.names[seen[-1]] if seen else ""


def _diverging(look: Look) -> Verdict:
    loss = look.loss
    if loss is None:
        return Abstains("too few training losses are logged")
    if not loss.worse or not math.isfinite(loss.now):
        return None
    rise = loss.now - loss.start
    ratio = look.updates.middle if look.updates else math.nan
    moves_far = ratio > _FAR
    if not rise > (_DIVERGING if moves_far else _DIVERGED) * abs(loss.start):
        return None
    text = f"loss diverges: {loss.start:.3g} at first → {loss.now:.3g} now"
    evidence = {"first": loss.start, "now": loss.now, "noise": loss.noise} | ({"update_ratio": ratio} if look.updates else {})
    cure = scaled_rate(look.evidence, 0.1, "each step goes too far: a tenth of it")
    return Symptom(text, look.step, evidence, remedies=remedies(cure))


RULES = (
    Rule(
        "non-finite-loss",
        "critical",
        "The loss is not a number or infinite, so the gradients are, too, and after the next step the weights. "
        "Nothing is learned from here on: go back to a checkpoint from before, with a lower learning rate.",
        (LOSS,),
        "IEEE 754: NaN spreads to every result that uses it",
        _non_finite,
    ),
    Rule(
        "diverging-loss",
        "critical",
        "The loss has grown far above where it started, so the model is worse than before training. "
        "Usually each step overshoots: the learning rate is too high.",
        (LOSS, "update_ratio/<layer>"),
        "Goodfellow et al., Deep Learning, 8.3.1: a rate that is too large makes the loss grow",
        _diverging,
        holds=1.5,  # a jump that recovers is none
    ),
)
