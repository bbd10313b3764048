"""Which loss is trained, and what guessing would get: from the gradient at the model's output and the logged loss.

The probe logs the value that each loss it knows would have had at a sampled step (`aim/…`). A cross-entropy and a negative
log-likelihood show in the form of their gradient; the others are believed when their value is the logged one, within 1 %. What
guessing gets is the entropy of the labels, in nats, or the variance of the targets, in their squared unit: what the best
constant answer has (Karpathy, "A Recipe for Training Neural Networks", 2019: verify the loss at init, and against
input-independent baselines).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tuimon.diagnosis.evidence import LOSS, Evidence
from tuimon.diagnosis.trace import Trace, median

Kind = Literal["cross_entropy", "likelihood", "binary", "probability", "squares", "absolute"]

_BINARY: tuple[Kind, ...] = ("binary", "probability")
_CLOSE = 0.01
_ALMOST = 0.2  # by which a penalty may have changed the loss
_SAMPLES = 8  # the latest, of which half must fit
_LEAST = 2
_BALANCED = 0.8  # of ln K: a batch has less entropy than all labels, so what comes near counts as all classes alike
_MANY = 8  # samples for each class, from which the shares of the labels can be told


@dataclass(frozen=True, slots=True)
class Aim:
    """What is trained.

    Attributes:
        kind: the loss.
        guessing: the loss of the best constant answer.
        classes: how many there are to tell apart; 0 of numbers.
        labels: the most classes that occurred in one batch; 0 of numbers.
        low: the least target; NaN of classes.
        high: the greatest target.
        first: of classes, the loss at the first sample.
        alike: of classes, the loss of taking all of them for equally likely.
    """

    kind: Kind
    guessing: float
    classes: int = 0
    labels: int = 0
    low: float = math.nan
    high: float = math.nan
    first: float = math.nan
    alike: float = math.nan

    @property
    def span(self) -> float:
        """Between the least and the greatest target."""
        return self.high - self.low


def aim(evidence: Evidence, outputs: int) -> Aim | None:
    """What is trained; None where no loss fits.

    Args:
        evidence: what is logged.
        outputs: units of the last layer; 0 if not known.
    """
    if len(_known(evidence, "aim/cross_entropy")):  # its form is no accident, and may not show where the model is very sure
        return _of_classes(evidence, "cross_entropy", outputs)
    if _in_form(evidence, "aim/likelihood") and _fits(evidence, "aim/likelihood"):
        return _of_classes(evidence, "likelihood", outputs)
    if _in_form(evidence, "aim/absolute"):  # first: of outputs that are averaged themselves, the values of others may fit, too
        return Aim("absolute", math.nan)
    for kind in _BINARY:
        if _fits(evidence, f"aim/{kind}"):
            mean = _middle(evidence, f"aim/{kind}_mean")
            low, high = _least(evidence, f"aim/{kind}_min"), _most(evidence, f"aim/{kind}_max")
            return Aim(kind, _binary_entropy(mean), 2, 0, low, high, _first(evidence, f"aim/{kind}"), math.log(2))
    if _fits(evidence, "aim/squares"):
        low, high = _least(evidence, "aim/squares_min"), _most(evidence, "aim/squares_max")
        return Aim("squares", _middle(evidence, "aim/squares_variance"), low=low, high=high)
    return None


def _of_classes(evidence: Evidence, kind: Kind, outputs: int) -> Aim:
    labels = int(_most(evidence, "aim/classes")) if evidence.trace("aim/classes") and kind == "cross_entropy" else 0
    alike = math.log(outputs) if outputs > 1 else math.nan
    entropy = _middle(evidence, "aim/entropy") if kind == "cross_entropy" else math.nan
    scale = _scale(evidence, f"aim/{kind}")
    told = _middle(evidence, "step/rows") >= _MANY * outputs  # else a batch is too small to have all classes
    guessing = entropy if told and entropy < _BALANCED * alike else alike
    return Aim(kind, guessing * scale, outputs, labels, first=_first(evidence, f"aim/{kind}") * scale, alike=alike * scale)


def _scale(evidence: Evidence, tag: str) -> float:
    """What the logged loss is of the mean that is meant: 1, or the batch of a sum, say; NaN where it is no multiple of it."""
    trace, losses = evidence.trace(tag), evidence.trace(LOSS)
    if trace is None or losses is None:
        return math.nan
    pairs = zip(trace.recent_steps[-_SAMPLES:].tolist(), trace.recent[-_SAMPLES:].tolist(), strict=True)
    found = [logged / value for step, value in pairs if (logged := _at(losses, step)) is not None and value > 0]
    found = [one for one in found if math.isfinite(one)]
    if not found:
        return 1.0
    middle = median(np.array(found))
    if abs(middle - 1) < _ALMOST:
        return 1.0
    return middle if max(found) - min(found) < 2 * _CLOSE * abs(middle) and len(found) >= _LEAST else math.nan


def _first(evidence: Evidence, tag: str) -> float:
    trace = evidence.trace(tag)
    return float(trace.head[0]) if trace and len(trace.head) else math.nan


def _in_form(evidence: Evidence, tag: str) -> bool:
    trace = evidence.trace(tag)
    if trace is None:
        return False
    latest = trace.recent[-_SAMPLES:]
    return bool(2 * np.isfinite(latest).sum() > len(latest))


def _fits(evidence: Evidence, tag: str) -> bool:
    """Whether the loss that would have been is the one that was logged, at most of the latest samples."""
    trace, losses = evidence.trace(tag), evidence.trace(LOSS)
    if trace is None or losses is None:
        return False
    fitting = compared = 0
    for step, value in zip(trace.recent_steps[-_SAMPLES:].tolist(), trace.recent[-_SAMPLES:].tolist(), strict=True):
        logged = _at(losses, step)
        if logged is not None and math.isfinite(logged):
            compared += 1
            fitting += abs(value - logged) <= _CLOSE * abs(logged) + 1e-6
    return fitting >= _LEAST and 2 * fitting > compared


def _at(losses: Trace, step: int) -> float | None:
    place = int(np.searchsorted(losses.recent_steps, step))
    if place < len(losses.recent_steps) and losses.recent_steps[place] == step:
        return float(losses.recent[place])
    return None


def _known(evidence: Evidence, tag: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    trace = evidence.trace(tag)
    values = trace.recent[-32:] if trace else np.empty(0)
    return values[np.isfinite(values)]


def _middle(evidence: Evidence, tag: str) -> float:
    values = _known(evidence, tag)
    return median(values) if len(values) else math.nan


def _least(evidence: Evidence, tag: str) -> float:
    values = _known(evidence, tag)
    return float(values.min()) if len(values) else math.nan


def _most(evidence: Evidence, tag: str) -> float:
    values = _known(evidence, tag)
    return float(values.max()) if len(values) else math.nan


def _binary_entropy(mean: float) -> float:
    if not 0 < mean < 1:
        return math.nan
    return -mean * math.log(mean) - (1 - mean) * math.log(1 - mean)
