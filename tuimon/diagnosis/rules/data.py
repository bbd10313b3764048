"""Rules about what comes into the training: inputs, labels, and how fast."""

from __future__ import annotations

import math

from tuimon.diagnosis.look import Look
from tuimon.diagnosis.remedies import remedies, renewed, scaled_rate, together
from tuimon.diagnosis.rule import Abstains, Rule, Symptom, Verdict
from tuimon.log.records import Remedy

_FAR = 10.0  # times the scale that initializations are made for, which is 1; or standard deviations from zero
_SAMPLES = 3
_WAITED = 5  # samples: the first steps of any training wait for what is made once
_WAITS = 0.5  # of the time: more than half
_FEW_ROWS = 8  # samples in a batch, of which one class is no accident: of two alike ones it is one in 128
_OUTSIDE = 0.01  # of a target beyond 0 or 1 that is no rounding
_RESTLESS = 0.03  # of the weights in one step
_NEVER = 0.97  # of guessing: a validation loss that has not been lower


def _inputs(look: Look) -> Verdict:
    mean, std = look.usual("input/mean"), look.usual("input/std")
    if not math.isfinite(mean + std):
        return Abstains("the model's input was not sampled, or is no floating-point numbers")
    scale = math.hypot(mean, std)
    offset = abs(mean) / std if std > 0 else math.inf
    if look.starts_with_norm or not (scale > _FAR or (offset > _FAR and scale > 1)):
        return None
    if not (look.lost or look.suffers or look.slow or look.starts_high):
        return None
    what = f"its scale is {scale:.3g}" if scale > _FAR else f"it lies {offset:.3g} standard deviations from zero"
    text = (
        f"the input is not normalized: {what}, where initial weights expect about 1 around 0; "
        "subtract each feature's mean and divide by its standard deviation"
    )
    evidence = {"mean": mean, "std": std, "greatest": look.usual("input/abs_max")}
    spread = look.usual("input/scale_spread")
    if math.isfinite(spread):
        evidence["scale_spread"] = spread
    return Symptom(
        text,
        look.first_step("input/mean"),
        evidence,
        remedies=_gentler(look),
        at_once=look.lost,
    )


def _gentler(look: Look) -> tuple[Remedy, ...]:
    """Large inputs make large gradients: a lever can take shorter steps, from weights that they have not spoilt."""
    slower = scaled_rate(look.evidence, 0.1, "shorter steps, as large inputs make long ones; normalizing is better")
    fresh = renewed(look.evidence, "")
    return remedies(together("new weights, and shorter steps, as large inputs make long ones", fresh, slower), slower)


def _labels(look: Look) -> Verdict:
    aim = look.aim
    if aim is None:
        return Abstains("the targets could not be told from the gradient at the output")
    return _one_class(look) or _outside(look) or _of_other_rows(look)


def _one_class(look: Look) -> Symptom | None:
    aim, rows = look.aim, look.usual("step/rows")
    labels = look.evidence.trace("aim/classes")
    if aim is None or not rows >= _FEW_ROWS:
        return None
    if aim.kind == "cross_entropy" and aim.labels == 1 and aim.classes > 1 and labels and labels.count >= _SAMPLES:
        text = f"all labels are one class: only one of {aim.classes} occurs in the batches, so there is nothing to tell apart"
        return Symptom(text, look.first_step("aim/classes"), {"classes": 1.0, "rows": rows}, severity="critical")
    if aim.kind in ("binary", "probability") and aim.span < _OUTSIDE and aim.low > -_OUTSIDE and aim.high < 1 + _OUTSIDE:
        text = f"all targets are {aim.low:.2g}: there is nothing to tell apart"
        return Symptom(text, look.first_step("aim/binary"), {"target": aim.low, "rows": rows}, severity="critical")
    return None


def _outside(look: Look) -> Symptom | None:
    """Targets of a binary cross-entropy outside 0 … 1: the loss has no minimum."""
    aim = look.aim
    if aim is None or aim.kind not in ("binary", "probability") or (aim.low > -_OUTSIDE and aim.high < 1 + _OUTSIDE):
        return None
    text = (
        f"the labels are out of range: a binary cross-entropy wants targets from 0 to 1, they lie between {aim.low:.3g} and "
        f"{aim.high:.3g}; the loss falls without end, and the outputs grow"
    )
    evidence = {"least_target": aim.low, "greatest_target": aim.high}
    return Symptom(text, look.first_step("aim/binary"), evidence, severity="critical")


def _of_other_rows(look: Look) -> Symptom | None:
    """What is learned says nothing of other data, from the very beginning."""
    chance, loss, validation = look.chance, look.loss, look.validation
    if chance is None or loss is None or validation is None or not chance.known or not loss.learns:
        return None
    learned = loss.now < _NEVER * chance.loss
    if not (learned and look.began_with_nothing and not look.starts_high) or validation.count < _SAMPLES:
        return None
    if look.updates is not None and look.updates.middle > _RESTLESS:  # what jumps about learns nothing for another reason
        return None
    if validation.best < _NEVER * chance.loss or look.guesses_better:
        return None
    if not (validation.training_falls and validation.rise > 2 * validation.error):  # what is learned leads away from it
        return None
    text = (
        f"labels do not follow from inputs: the training loss falls to {loss.now:.3g}, but on validation data nothing was "
        f"better than guessing ({chance.loss:.3g}); are labels and inputs in the same order?"
    )
    evidence = {"train": loss.now, "best_validation": validation.best, "guessing": chance.loss}
    return Symptom(text, look.step, evidence, severity="critical")


def _slow_input(look: Look) -> Verdict:
    trace = look.evidence.trace("step/wait_fraction")
    if trace is None or trace.count < _WAITED:
        return Abstains("the time that a step waits was not measured often enough")
    share = look.usual("step/wait_fraction", 9)
    if not share > _WAITS:
        return None
    text = (
        f"training waits for its data: {share:.0%} of the time goes by before the model is called; "
        "load in workers (DataLoader's num_workers), or prepare the data once"
    )
    return Symptom(text, int(trace.recent_steps[0]), {"wait_fraction": share})


RULES = (
    Rule(
        "inputs-not-normalized",
        "warning",
        "The numbers that go into the model are far larger than 1, or far from 0, while its initial weights are made for the "
        "opposite. Units saturate or die, and a rate that suits one feature is wrong for another.",
        ("input/mean", "input/std", "loss/train"),
        "LeCun et al., Efficient BackProp, 1998, 4.3; UMLAUT, CHI 2021",
        _inputs,
    ),
    Rule(
        "labels",
        "critical",
        "The targets cannot be learned from these inputs: they are all one class, outside the range of the loss, or belong to "
        "other rows. Look at a few samples with their labels as the model gets them.",
        ("aim/cross_entropy", "aim/binary", "loss/train", "loss/val"),
        "UMLAUT, CHI 2021; Zhang et al., Understanding deep learning requires rethinking generalization, ICLR 2017",
        _labels,
    ),
    Rule(
        "slow-input",
        "warning",
        "Most of the time the model waits for the next batch. "
        "A faster loader makes the training faster by as much, and changes nothing else.",
        ("step/wait_fraction",),
        "SageMaker Debugger, rule CPUBottleneck: half of the time",
        _slow_input,
        costs="resources",
    ),
)
