"""The learning rate: a range test finds an upper bound, and trainings of some hundred steps find a rate below it that holds.

The rate grows at each step until the loss diverges, without clipping and schedule (Smith, "Cyclical Learning Rates for Training
Neural Networks", 2017, section 3.3), with the spec's optimizer and batch size; the loss is measured on one fixed sample, to
avoid the noise of batches. One step at a rate says little: a rate is called good only after trainings from several seeds.
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
_BELOW = (3.0, 10.0, 30.0, 100.0)  # largest rate / a rate that may be suggested
_HELD_STEPS, _HELD_SEEDS, _HELD_SECONDS = 300, (1, 2, 3), 4.0  # of a training at one rate; seconds for all its seeds
_ENOUGH = 100  # steps after which a training that ran out of time still tells
_ROOM = 1.5  # a rate is called good if this many times it holds, too: other seeds and longer trainings diverge a little earlier
_GROWN = 1.5  # loss at the end / loss at first, above which a training diverged
_SMALL = 300.0  # suggested rate / a rate that is called small


class Sweep(NamedTuple):
    """The loss after a step at each rate, and the largest rate before it rose for good (NaN if none reduced the loss)."""

    first: float
    rates: list[float]
    losses: list[float]
    largest: float


class Held(NamedTuple):
    """Trainings at one rate from several seeds."""

    diverged: int
    trained: int
    steps: int  # of the shortest that did not diverge

    @property
    def holds(self) -> bool:
        """Whether none diverged, in enough steps to tell."""
        return not self.diverged and self.steps >= min(_ENOUGH, _HELD_STEPS)


def check_learning_rate(subject: Subject) -> Iterator[Line]:
    """Trains at the spec's rate, and at rates below the upper bound of the range test until one holds."""
    found = sweep(subject)
    points = tuple((rate, loss if math.isfinite(loss) else None) for rate, loss in zip(found.rates, found.losses, strict=True))
    if math.isnan(found.largest):
        text = "No rate from 1e-6 to 10 reduced the loss. Look at the warnings and failures above."
        yield Line("learning rate", "fail", f"{subject.lr:g}", text, points)
        return
    own, suggested = hold(subject, subject.lr), _suggested(subject, found.largest)
    tight = own.holds and suggested < subject.lr <= found.largest and not hold(subject, _ROOM * subject.lr).holds
    marks = (*([] if math.isnan(suggested) else [(suggested, "suggested")]), (found.largest, "upper bound"))
    yield Line("learning rate", *_verdict(subject.lr, found.largest, own, suggested, tight), points, marks)


def hold(subject: Subject, rate: float) -> Held:
    """Trains fresh models of several seeds at one rate, each for some hundred steps."""
    diverged, lengths, until = 0, [], time.thread_time() + _HELD_SECONDS
    for number, seed in enumerate(_HELD_SEEDS):
        left = (until - time.thread_time()) / (len(_HELD_SEEDS) - number)
        walk = _Walk(subject, seed)
        losses = walk.train(rate, _HELD_STEPS, max(left, 0.0))
        grown = not math.isfinite(losses[-1]) or _mean(losses[-20:]) > _GROWN * _mean(losses[:5]) + 1e-6
        diverged += grown
        lengths += [] if grown else [len(losses)]
    return Held(diverged, len(_HELD_SEEDS), min(lengths, default=0))


def _suggested(subject: Subject, largest: float) -> float:
    """The first rate some way below the upper bound that holds with room above it; NaN if none does."""
    return next((largest / below for below in _BELOW if hold(subject, _ROOM * largest / below).holds), math.nan)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


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
    return Sweep(first, rates, losses, _largest(first, rates, losses))


class _Walk:
    """A copy of the model in training, with the spec's optimizer."""

    def __init__(self, subject: Subject, seed: int | None = None) -> None:
        self._subject, self._model = subject, subject.fresh(seed)
        self._optimizer = subject.optimizer(self._model)
        self._bases = [float(group["lr"]) for group in self._optimizer.param_groups]
        self._data = fitting.batches(subject.train, min(subject.batch_size, _MOST_BATCH), seed or 1)

    def train(self, rate: float, steps: int, seconds: float) -> list[float]:
        """Trains at a rate; returns the losses of its batches, at least one."""
        self._turn(rate)
        at_least = max(seconds, 0.01)
        return fitting.fit(self._model, self._subject.loss, self._data, self._optimizer, steps=steps, seconds=at_least)

    def _turn(self, rate: float) -> None:
        """Sets the rate; the rates of an optimizer with several groups keep their ratio."""
        for group, base in zip(self._optimizer.param_groups, self._bases, strict=True):
            group["lr"] = base * rate / self._subject.lr

    def step(self, rate: float, times: int) -> None:
        """Takes steps at a rate."""
        self._turn(rate)
        for _ in range(times):
            fitting.step(self._subject.loss_of(self._model, next(self._data)), self._optimizer)

    @torch.no_grad()
    def loss(self, sample: Split) -> float:
        """The loss on a sample."""
        return float(self._subject.loss_of(self._model, sample))


def _largest(first: float, rates: list[float], losses: list[float]) -> float:
    """The last rate before the loss rises for good."""
    smooth = _smooth(losses)
    best = min(smooth, default=math.inf)
    if not best < first - 0.02 * abs(first):
        return math.nan
    bound = best + 0.2 * (first - best)
    return rates[max(i for i, loss in enumerate(smooth) if loss <= bound)]


def _smooth(losses: list[float]) -> list[float]:
    """Median of three: a single lucky step is no minimum."""
    padded = [losses[0], *losses, losses[-1]]
    ordered = [sorted(value if math.isfinite(value) else math.inf for value in padded[i : i + 3]) for i in range(len(losses))]
    return [three[1] for three in ordered]


def _verdict(rate: float, largest: float, own: Held, suggested: float, tight: bool) -> tuple[Verdict, str, str]:
    bound, told = format.number(largest), "" if math.isnan(suggested) else format.number(suggested)
    number = f"{rate:g}, suggested {told or 'none'}"
    advice = (
        f" Set lr={told}." if told else f" No rate from {bound} / {_BELOW[-1]:.0f} on held, either: look for another cause."
    )
    if own.diverged:
        return "fail", number, f"The loss grows within {_HELD_STEPS} steps, for {own.diverged} of {own.trained} seeds.{advice}"
    if rate > largest:
        return "fail", number, f"Above {bound}, the upper bound: the largest rate that did not diverge at once.{advice}"
    if told and rate < suggested / _SMALL:
        return "warn", number, f"Training will be slow. Try lr={told}, which held for {_HELD_STEPS} steps."
    if tight:
        text = f"Holds for {own.steps} steps, but {_ROOM:g} times it diverges: another seed or a longer training may.{advice}"
        return "warn", number, text
    held = f"holds for {own.steps} steps and {own.trained} seeds; upper bound, not safe by itself: {bound}"
    return "pass", number, held
