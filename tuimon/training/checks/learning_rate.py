"""The learning-rate range test: the rate grows at each step until the loss diverges. No clipping, no schedule.

After Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3; uses the spec's optimizer and batch
size. The loss is measured on one fixed sample, to avoid the noise of batches.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import NamedTuple

import torch

from tuimon.base import format
from tuimon.training.checks import fitting
from tuimon.training.checks.subject import Subject
from tuimon.training.data import Split
from tuimon.training.report import Line, Verdict

_LOW, _HIGH, _STEPS = 1e-6, 10.0, 140
_EXAMPLES, _MOST_BATCH, _SECONDS = 128, 512, 6.0
_BELOW = 3.0  # largest rate / suggested rate
_SMALL = 300.0  # suggested rate / a rate that is called small


class Sweep(NamedTuple):
    """The loss after a step at each rate, and the largest and suggested rates (NaN if none reduced the loss)."""

    first: float
    rates: list[float]
    losses: list[float]
    largest: float
    suggested: float


def check_learning_rate(subject: Subject) -> Iterator[Line]:
    """Compares the spec's rate with the largest rate that did not diverge."""
    found = sweep(subject)
    points = tuple((rate, loss if math.isfinite(loss) else None) for rate, loss in zip(found.rates, found.losses, strict=True))
    if math.isnan(found.largest):
        text = "No rate from 1e-6 to 10 reduced the loss. Look at the warnings and failures above."
        yield Line("learning rate", "fail", f"{subject.lr:g}", text, points)
        return
    marks = ((found.suggested, "suggested"), (found.largest, "largest"))
    yield Line("learning rate", *_verdict(subject.lr, found), points, marks)


def sweep(subject: Subject) -> Sweep:
    """Trains a copy with exponentially growing rates until the loss is far above the first one, or not finite.

    The quadratic starts again for each rate: it has no noise to keep it from its minimum, where any rate looks good.
    """
    walk = _Walk(subject)
    sample, until = subject.sample(_EXAMPLES), time.thread_time() + _SECONDS
    rates, losses, first = [], [], walk.loss(sample)
    for rate in (_LOW * (_HIGH / _LOW) ** (step / (_STEPS - 1)) for step in range(_STEPS)):
        walk = _Walk(subject) if subject.task == "quadratic" else walk
        walk.step(rate, 10 if subject.task == "quadratic" else 1)
        rates.append(rate)
        losses.append(walk.loss(sample))
        if not losses[-1] < 4 * abs(first) + 1 or time.thread_time() > until:
            break
    return Sweep(first, rates, losses, *_read(first, rates, losses))


class _Walk:
    """A copy of the model in training, with the spec's optimizer."""

    def __init__(self, subject: Subject) -> None:
        self._subject, self._model = subject, subject.fresh()
        self._optimizer = subject.optimizer(self._model)
        self._bases = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._data = fitting.batches(subject.train, min(subject.batch_size, _MOST_BATCH))

    def step(self, rate: float, times: int) -> None:
        """Takes steps at a rate; the rates of an optimizer with several groups keep their ratio."""
        for group, base in zip(self._optimizer.param_groups, self._bases, strict=True):
            group["lr"] = base * rate / self._subject.lr
        for _ in range(times):
            fitting.step(self._subject.loss_of(self._model, next(self._data)), self._optimizer)

    @torch.no_grad()
    def loss(self, sample: Split) -> float:
        """The loss on a sample."""
        return float(self._subject.loss_of(self._model, sample))


def _read(first: float, rates: list[float], losses: list[float]) -> tuple[float, float]:
    """The largest rate, which is the last before the loss rises for good, and the suggested rate."""
    smooth = _smooth(losses)
    best = min(smooth, default=math.inf)
    if not best < first - 0.02 * abs(first):
        return math.nan, math.nan
    bound = best + 0.2 * (first - best)
    largest = rates[max(i for i, loss in enumerate(smooth) if loss <= bound)]
    return largest, largest / _BELOW


def _smooth(losses: list[float]) -> list[float]:
    """Median of three: a single lucky step is no minimum."""
    padded = [losses[0], *losses, losses[-1]]
    ordered = [sorted(value if math.isfinite(value) else math.inf for value in padded[i : i + 3]) for i in range(len(losses))]
    return [three[1] for three in ordered]


def _verdict(rate: float, found: Sweep) -> tuple[Verdict, str, str]:
    suggested = format.number(found.suggested)
    number = f"{rate:g}, suggested {suggested}"
    if rate > found.largest:
        text = f"Above {format.number(found.largest)}, the largest rate that does not diverge. Set lr={suggested}."
        return "fail", number, text
    if rate < found.suggested / _SMALL:
        return "warn", number, f"Training will be slow. Try lr={suggested}."
    return "pass", number, f"largest rate that does not diverge: {format.number(found.largest)}"
