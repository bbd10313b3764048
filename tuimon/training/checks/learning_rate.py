"""The learning-rate range test: the rate grows from step to step until the loss blows up. No clipping, no schedule.

After Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3; with the spec's optimizer and batch
size. The loss is that of one fixed sample, so that it is not blurred by which batch came by.
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
_BELOW = 3.0  # how far below the largest rate the suggestion lies
_SMALL = 300.0  # times below the suggestion that a rate is called small


class Sweep(NamedTuple):
    """What was seen: the loss after a step at each rate, and the two rates that come of it (NaN: none)."""

    first: float
    rates: list[float]
    losses: list[float]
    largest: float
    suggested: float


def check_learning_rate(subject: Subject) -> Iterator[Line]:
    """The spec's rate against the largest that did not blow up."""
    found = sweep(subject)
    points = tuple((rate, loss if math.isfinite(loss) else None) for rate, loss in zip(found.rates, found.losses, strict=True))
    if math.isnan(found.largest):
        text = "No rate from 1e-6 to 10 brought the loss down: look at the lines above that did not pass."
        yield Line("learning rate", "fail", f"{subject.lr:g}", text, points)
        return
    marks = ((found.suggested, "suggested"), (found.largest, "largest"))
    yield Line("learning rate", *_verdict(subject.lr, found), points, marks)


def sweep(subject: Subject) -> Sweep:
    """Trains a copy at rates that grow exponentially, until the loss is far above the first one, or not finite.

    The quadratic has no noise to keep it from its lowest point, where any rate will do: it starts anew at each rate.
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
    """A copy of the model on its way, with the spec's optimizer."""

    def __init__(self, subject: Subject) -> None:
        self._subject, self._model = subject, subject.fresh()
        self._optimizer = subject.optimizer(self._model)
        self._bases = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._data = fitting.batches(subject.train, min(subject.batch_size, _MOST_BATCH))

    def step(self, rate: float, times: int) -> None:
        """Steps at a rate; an optimizer of two rates keeps them in proportion."""
        for group, base in zip(self._optimizer.param_groups, self._bases, strict=True):
            group["lr"] = base * rate / self._subject.lr
        for _ in range(times):
            fitting.step(self._subject.loss_of(self._model, next(self._data)), self._optimizer)

    @torch.no_grad()
    def loss(self, sample: Split) -> float:
        """Where it stands."""
        return float(self._subject.loss_of(self._model, sample))


def _read(first: float, rates: list[float], losses: list[float]) -> tuple[float, float]:
    """The largest rate: the last before the loss leaves its valley for good; and the suggestion."""
    smooth = _smooth(losses)
    best = min(smooth, default=math.inf)
    if not best < first - 0.02 * abs(first):
        return math.nan, math.nan
    bound = best + 0.2 * (first - best)
    largest = rates[max(i for i, loss in enumerate(smooth) if loss <= bound)]
    return largest, largest / _BELOW


def _smooth(losses: list[float]) -> list[float]:
    """Each with its two neighbours, the middle one: a single lucky step is no valley."""
    padded = [losses[0], *losses, losses[-1]]
    ordered = [sorted(value if math.isfinite(value) else math.inf for value in padded[i : i + 3]) for i in range(len(losses))]
    return [three[1] for three in ordered]


def _verdict(rate: float, found: Sweep) -> tuple[Verdict, str, str]:
    suggested = format.number(found.suggested)
    number = f"{rate:g}, suggested {suggested}"
    if rate > found.largest:
        text = f"Above the largest rate that does not blow up, {format.number(found.largest)}: set lr={suggested}."
        return "fail", number, text
    if rate < found.suggested / _SMALL:
        return "warn", number, f"Learning will be slow: try lr={suggested}."
    return "pass", number, f"largest that does not blow up: {format.number(found.largest)}"
