"""Rules about what the model returns: its range and the loss that reads it."""

from __future__ import annotations

import math

from tuimon.diagnosis.look import Look
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict

_PROBABLE = 0.99  # of the samples: all but rounding
_BEYOND = 0.05  # of the targets' span: what lies further out is no rounding
_AT_BOUND = 1e-6
_ROWS = 8  # samples in a batch
_SAMPLES = 5  # of the outputs, from which their range can be told
_LONG = 100  # losses before a standstill is one
_MUCH = 0.5  # of the loss of guessing: more than half of it is left


def _double_softmax(look: Look) -> Verdict:
    if look.aim is None:
        return Abstains("the trained loss could not be told from the gradient at the output")
    if look.aim.kind == "binary":
        return _double_sigmoid(look)
    share = look.usual("output/probability_fraction")
    if look.aim.kind != "cross_entropy" or not share > _PROBABLE:
        return None
    text = (
        "softmax is applied twice: the model returns probabilities, and the cross-entropy takes a softmax of them again, "
        f"so that it cannot fall below {_least(look.aim.classes):.2f}; return what the last layer gives"
    )
    return Symptom(text, look.first_step("output/probability_fraction"), {"probability_fraction": share})


def _double_sigmoid(look: Look) -> Verdict:
    """Outputs that are never negative: those of a model without a sigmoid leave 0 to 1 as soon as it learns."""
    if not look.seen("output/min", _SAMPLES):
        return Abstains("too few of the model's outputs were sampled")
    low, high = look.least("output/min"), look.most("output/max")
    if not (low >= 0 and high <= 1 and look.suffers) or low == high:
        return None
    text = (
        "the model returns values from 0 to 1, and the loss takes a sigmoid of them again, which is never below one half; "
        "return what the last layer gives"
    )
    return Symptom(text, look.step, {"least": low, "greatest": high})


def _least(classes: int) -> float:
    """The cross-entropy of a softmax of certain probabilities, in nats: what is least of 1 against 0 among so many."""
    return math.log(math.e + classes - 1) - 1 if classes > 1 else 0.0


def _output_or_loss(look: Look) -> Verdict:
    if look.evidence.trace("output/min") is None:
        return Abstains("the model's output was not sampled")
    if look.loss is None:
        return Abstains("too few training losses are logged to see whether the run suffers")
    return _constant(look) or _out_of_range(look) or _no_likelihood(look)


def _constant(look: Look) -> Symptom | None:
    """A softmax over one output is 1, whatever comes in."""
    low, high = look.least("output/min"), look.most("output/max")
    if not low == high == 1.0:
        return None
    text = "the output is 1 for every sample: a softmax over a single output can be nothing else; a sigmoid is what it takes"
    return Symptom(text, look.first_step("output/min"), {"least": low, "greatest": high}, severity="critical")


def _out_of_range(look: Look) -> Symptom | None:
    """The output ends where targets are still to come: its range is that of an activation."""
    aim = look.aim
    low, high = look.output_range
    if aim is not None and aim.kind == "cross_entropy" and low == 0.0 and _touches(look) and look.suffers:
        text = "the model's outputs are never below 0: a ReLU before a cross-entropy takes the lower half of its logits away"
        return Symptom(text, look.step, {"least": low, "greatest": high})
    if aim is None or aim.kind != "squares" or not (look.suffers or look.slow or _stands_high(look) or _touches(look)):
        return None
    bounds = _bounds(low, high, look.usual("step/rows"))
    if bounds is None:
        return None
    name, least, greatest = bounds
    margin = _BEYOND * aim.span
    if not (aim.low < least - margin or aim.high > greatest + margin):
        return None
    reach = f"from {least:g} to {greatest:g}" if math.isfinite(greatest) else f"not below {least:g}"
    text = (
        f"the output cannot reach the targets: it is {reach}, as after a {name}, and they lie between {aim.low:.3g} and "
        f"{aim.high:.3g}; leave the last activation out, or scale the targets"
    )
    evidence = {"least": low, "greatest": high, "least_target": aim.low, "greatest_target": aim.high}
    return Symptom(text, look.step, evidence)


def _stands_high(look: Look) -> bool:
    """Whether the loss has stopped falling while more than half of guessing's is left."""
    loss, chance = look.loss, look.chance
    return loss is not None and chance is not None and not loss.falls and loss.now > _MUCH * chance.loss and loss.count >= _LONG


def _touches(look: Look) -> bool:
    """Whether the least output has been exactly zero in most samples, as a ReLU has it, and the greatest has not."""
    least, greatest = look.evidence.trace("output/min"), look.evidence.trace("output/max")
    if least is None or greatest is None or len(least.recent) < 3:
        return False
    return float(((least.recent == 0) & (greatest.recent > 0)).mean()) > 0.5


def _bounds(low: float, high: float, rows: float) -> tuple[str, float, float] | None:
    """The activation whose range an output has kept to, and has used to the end at one side."""
    if abs(low) < _AT_BOUND:
        return ("sigmoid", 0.0, 1.0) if high <= 1.0 else ("ReLU", 0.0, math.inf)
    if rows < _ROWS:  # too few outputs to know their range
        return None
    if low >= 0 and high <= 1 and (low < _BEYOND or high > 1 - _BEYOND):
        return "sigmoid", 0.0, 1.0
    if low >= -1 and high <= 1 and (low < _BEYOND - 1 or high > 1 - _BEYOND):
        return "tanh", -1.0, 1.0
    return None


def _no_likelihood(look: Look) -> Symptom | None:
    """A negative log-likelihood of what is no logarithm of a probability."""
    high = look.most("output/max")
    if look.aim is None or look.aim.kind != "likelihood" or not high > 0:
        return None
    text = (
        "the loss takes the outputs for logarithms of probabilities, and they are not: some are above 0; "
        "it falls without end and says nothing. A log-softmax belongs before it, or a cross-entropy in its place"
    )
    return Symptom(text, look.step, {"greatest": high}, severity="critical")


RULES = (
    Rule(
        "double-softmax",
        "warning",
        "The model turns its outputs into probabilities, and the loss does so once more. "
        "The result is nearly the same for right and wrong answers, so that training is slow and the loss stays high.",
        ("aim/cross_entropy", "aim/binary", "output/probability_fraction"),
        "PyTorch's manual of CrossEntropyLoss: the input is expected to contain the unnormalized logits; UMLAUT, CHI 2021",
        _double_softmax,
    ),
    Rule(
        "output-or-loss",
        "warning",
        "The model's outputs cannot become what the loss asks for, whatever the weights are. "
        "The last activation or the loss has to be another one.",
        ("output/min", "output/max", "aim/squares", "aim/cross_entropy", "aim/likelihood", "loss/train"),
        "Nikanjam et al., NeuraLint, TOSEM 2021; Goodfellow et al., Deep Learning, 6.2.2 (output units)",
        _output_or_loss,
    ),
)
