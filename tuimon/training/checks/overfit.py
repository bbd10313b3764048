"""Overfitting one small fixed batch: a model that cannot do that has a bug, whatever the data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch

from tuimon.base import format
from tuimon.training.checks import fitting
from tuimon.training.checks.subject import Subject
from tuimon.training.data import Split
from tuimon.training.report import Line

_RATES = (1e-2, 1e-3, 1e-1)
_EXAMPLES, _STEPS, _SECONDS = 8, 300, 2.5
_NEAR, _HALF = 0.05, 0.5  # relative to the initial loss, or to that of chance


def check_overfit(subject: Subject) -> Iterator[Line]:
    """Trains on the same few examples with Adam, with up to three rates, until their loss is close to zero."""
    batch = few(subject)
    start = _scale(subject, batch)
    least, steps = _least(subject, batch, start)
    share = least / start
    number = f"{format.number(least)} after {steps} steps"
    what = "the loss" if subject.task == "quadratic" else f"the loss of {len(batch)} examples"
    if share <= _NEAR:
        yield Line("overfit a batch", "pass", number, f"{what}, from {format.number(start)}")
        return
    slow = share < _HALF
    why = "The model may be too small, or learn slowly" if slow else "Look at the output layer, the loss and the gradients"
    yield Line("overfit a batch", "warn" if slow else "fail", number, f"{what.capitalize()} does not get close to zero. {why}.")


def few(subject: Subject) -> Split:
    """A few examples, from as many classes as possible."""
    sample = subject.sample(512)
    if subject.task != "classification":
        return sample.batch(torch.arange(min(_EXAMPLES if subject.task != "text" else 2, len(sample)), device=subject.device))
    _, rank = torch.sort(sample.targets, stable=True)
    within = torch.cat([torch.arange(int(count)) for count in torch.bincount(sample.targets[rank])])
    chosen = rank[torch.argsort(within.to(rank.device), stable=True)][:_EXAMPLES]
    return sample.batch(chosen)


def _least(subject: Subject, batch: Split, start: float) -> tuple[float, int]:
    """The lowest loss that any rate reached, and the number of steps to it."""
    found = []
    for rate in _RATES:
        model = subject.fresh()
        losses = fitting.fit(
            model, subject.loss, itertools.repeat(batch), fitting.adam(model, rate),
            steps=_STEPS, seconds=_SECONDS, enough=lambda loss: loss <= 0.5 * _NEAR * start,
        )  # fmt: skip
        least = min(losses)
        found.append((least, losses.index(least)))
        if least <= _NEAR * start:
            break
    return min(found)


@torch.no_grad()
def _scale(subject: Subject, batch: Split) -> float:
    """The loss that `close to zero` is relative to."""
    if subject.task == "quadratic":
        return max(float(subject.loss_of(subject.fresh(), batch)), 1e-12)
    return fitting.chance(subject, batch)
