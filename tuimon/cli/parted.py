"""What changes did, of runs in a comparison that go on from one point: a fork and its parent, or two forks. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tuimon.base.format import count
from tuimon.diagnosis.proof import twins
from tuimon.log.store import Store


class Branch(NamedTuple):
    """A run of the comparison."""

    name: str
    folder: Path
    store: Store


def said_of_forks(branches: Sequence[Branch]) -> list[str]:
    """A line for each run that shares its beginning with an earlier one: `b: helped: loss/val …; without it: a, …`."""
    lines = []
    for place, other in enumerate(branches):
        for earlier in branches[:place]:
            if (parted := _parted(earlier, other)) is not None:
                lines.append(_said(*parted))
                break
    return lines


def _said(changed: Branch, unchanged: Branch, step: int) -> str:
    verdict = twins(changed.store, unchanged.store, step)
    return f"{changed.name}: {verdict.text}; without it: {unchanged.name}, from step {count(step)} on"


def _parted(first: Branch, second: Branch) -> tuple[Branch, Branch, int] | None:
    """The changed run, the one without the change, and the step at which they parted; None for runs that share no beginning.

    A fork is what is changed beside its parent; of two forks of one point, the second.
    """
    one, two = first.store.forked, second.store.forked
    if two is not None and Path(two.path) == first.folder:
        return second, first, two.step
    if one is not None and Path(one.path) == second.folder:
        return first, second, one.step
    if one is not None and two is not None and (one.path, one.step) == (two.path, two.step):
        return second, first, one.step
    return None
