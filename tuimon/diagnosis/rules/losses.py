"""Rules about the training loss itself: it is lost, or grows."""

from __future__ import annotations

import math

from tuimon.diagnosis.evidence import LOSS
from tuimon.diagnosis.look import Look
from tuimon.diagnosis.measures.updates import USUAL
from tuimon.diagnosis.remedies import remedies, renewed, reset, rewound, scaled_rate, together
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.diagnosis.trace import HEAD
from tuimon.log.records import Remedy

_DIVERGED = 10.0  # times the first loss above it: far beyond what a bad batch or a rising target does
_DIVERGING = 2.0  # times, where the weights move too far at each step, too
_FEWEST = 3  # losses
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
    return Symptom(text, step, {"losses_not_finite": float(trace.spoiled)}, where, _back_to_numbers(look), at_once=True)


def _back_to_numbers(look: Look) -> tuple[Remedy, ...]:
    """Weights that are no numbers stay so: without a checkpoint to go back to, no lever helps."""
    back, slower = rewound(look.evidence), scaled_rate(look.evidence, 0.1, "")
    skip = reset(look.evidence, "skip_non_finite", True, "")
    careful = together("back to finite weights; batches that break the numbers are left out from now on", back, skip)
    slow = together("back to finite weights, and a tenth of each step, as the loss had grown before", back, slower)
    both = together("back to finite weights, with shorter steps that leave out what is not finite", back, slower, skip)
    return remedies(slow, both) if look.diverged is not None else remedies(careful, both)


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
    trace, loss = look.evidence.trace(LOSS), look.loss
    if trace is None or trace.count < _FEWEST:
        return Abstains("too few training losses are logged")
    if look.lost:
        return _beyond(look)
    if loss is None or not loss.worse or not math.isfinite(loss.now):
        return None
    ratio = look.updates.middle if look.updates else math.nan
    if not loss.now - loss.start > (_DIVERGING if ratio > _FAR else _DIVERGED) * abs(loss.start):
        return None
    text = f"loss diverges: {loss.start:.3g} at first → {loss.now:.3g} now"
    evidence = {"first": loss.start, "now": loss.now, "noise": loss.noise} | ({"update_ratio": ratio} if look.updates else {})
    return Symptom(text, look.step, evidence, remedies=_shorter_steps(look))


def _shorter_steps(look: Look) -> tuple[Remedy, ...]:
    later = look.updates.later if look.updates else math.nan
    factor = min(0.1, float(f"{USUAL[1] / later:.2g}")) if later > 0 and not look.lost else 0.1
    cure = scaled_rate(look.evidence, factor, "each step goes too far: a tenth of it, or less")
    return remedies(together("back to before it grew, and a tenth of each step, or less", rewound(look.evidence), cure), cure)


def _beyond(look: Look) -> Symptom | None:
    """The last finite losses before one that is not had grown from step to step."""
    if look.diverged is None:
        return None
    first, last = look.diverged
    text = f"loss diverges: {first:.3g} at first → {last:.3g}, and then beyond all numbers"
    return Symptom(text, look.step, {"first": first, "last": last}, remedies=_shorter_steps(look)[:1], at_once=True)


def _first(look: Look) -> Verdict:
    if look.loss is None or look.chance is None or not look.chance.classes:
        return Abstains("it is not known what guessing would get")  # of numbers: their mean may be far from zero
    early = look.loss.count <= HEAD  # later, targets and guessing may have become others
    if not early and look.loss.now > look.chance.loss:
        return Abstains("the first loss is judged at the beginning")
    if not look.starts_high or look.loss.now <= look.chance.loss:
        return None
    text = (
        f"the first loss is {look.loss.first:.3g}, and guessing would get {look.chance.loss:.3g}: the model begins with strong "
        "opinions that it must unlearn first; initialize the last layer smaller"
    )
    evidence = {"first": look.loss.first, "guessing": look.chance.loss}
    cures = remedies(renewed(look.evidence, "new weights, of a size that makes no strong opinions"))
    return Symptom(text, look.evidence.first_step, evidence, remedies=cures, at_once=True)


RULES = (
    Rule(
        "first-loss",
        "warning",
        "Before any training the model is worse than one that knows nothing: its outputs are too large. "
        "The first part of the training only takes that back.",
        (LOSS, "aim/cross_entropy", "aim/squares"),
        "Karpathy, A Recipe for Training Neural Networks, 2019: verify loss at init",
        _first,
    ),
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
