"""The one loss of a run that lists, headless lines and comparisons show. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

from tuimon.log.series import Series
from tuimon.log.store import Store

VALIDATION = "loss/val"
_LEAST_STEPS, _MOST_STEPS, _SHARE = 10, 100, 100


class Tags(Protocol):
    """Tags of scalars, as a store or a mapping has them."""

    def __iter__(self) -> Iterator[str]:
        """Each of them."""

    def __contains__(self, tag: object) -> bool:
        """Whether it is one of them."""


def loss_tag(tags: Tags) -> str:
    """The tag of the training loss, also in a log that tuimon did not write; empty when there is none."""
    if "loss/train" in tags:
        return "loss/train"
    found = sorted((tag for tag in tags if "loss" in tag.lower()), key=lambda tag: ("val" in tag.lower(), len(tag), tag))
    return found[0] if found else ""


def latest(store: Store, tag: str) -> float | None:
    """A metric's latest value; of the training loss, which differs from batch to batch, a mean. None where there is none."""
    series = store.series.get(tag)
    if not series:
        return None
    return _recent_mean(series) if tag == loss_tag(store) else series.last


def first_recent(last_step: int) -> int:
    """The step after which losses count as recent: within the last hundredth of the steps, at least 10 and at most 100."""
    return last_step - min(max(last_step // _SHARE, _LEAST_STEPS), _MOST_STEPS)


def _recent_mean(series: Series) -> float:
    """Over the recent steps, what is not finite left out; the last value itself where that is not finite."""
    if not math.isfinite(series.last):
        return series.last
    steps = series.steps
    recent = series.values[steps > first_recent(int(steps[-1]))].astype(float)
    return float(recent[abs(recent) < math.inf].mean())
