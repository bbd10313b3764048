"""Runs that differ in nothing but their seed, as one: the mean and the spread of what they came to. Pure functions."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tuimon.launcher.runs.configuration import shown
from tuimon.launcher.runs.summary import RunSummary

Key = tuple[str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Spread:
    """A mean with the standard deviation of one run (n - 1); `std` is NaN of a single run.

    Attributes:
        count: runs that have a finite value.
    """

    mean: float
    std: float
    count: int


@dataclass(frozen=True)
class Group:
    """Runs of one configuration.

    Attributes:
        runs: in the order in which they were given; one alone where no other differs in its seed alone.
        seeds: how many different ones.
    """

    runs: tuple[RunSummary, ...]
    seeds: int

    @property
    def name(self) -> str:
        """The run's name; of several, what their names begin with, and a `*`."""
        if len(self.runs) == 1:
            return self.runs[0].name
        names = [run.name for run in self.runs]
        same = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
        return "".join(letters[0] for letters in same) + "*"

    @property
    def states(self) -> str:
        """The state; of several, how many have which: `3 finished, 1 running`."""
        if len(self.runs) == 1:
            return self.runs[0].status.state
        counts = Counter(run.status.state for run in self.runs)
        return ", ".join(f"{number} {state}" for state, number in counts.most_common())


def groups(runs: Iterable[RunSummary]) -> list[Group]:
    """Runs that differ in their seed alone together, at the place of the first; without a configuration, each is alone."""
    parts: dict[object, list[RunSummary]] = {}
    for run in runs:
        parts.setdefault(_key(run) if run.config else run.name, []).append(run)
    return [group for part in parts.values() for group in _groups(part)]


def _groups(part: Sequence[RunSummary]) -> list[Group]:
    """Runs of one configuration: together if their seeds differ."""
    seeds = len({_seed(run) for run in part})
    return [Group(tuple(part), seeds)] if seeds > 1 else [Group((run,), 1) for run in part]


def spread(values: Sequence[float | None]) -> Spread | None:
    """Of the values that are finite; None where there are none."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else math.nan, len(known))


def _is_seed(key: str) -> bool:
    return key.rpartition(".")[2] == "seed"


def _key(run: RunSummary) -> Key:
    settings = sorted((key, shown(value)) for key, value in run.config.items() if not _is_seed(key))
    return run.model, run.optimizer, tuple(settings)


def _seed(run: RunSummary) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, shown(value)) for key, value in run.config.items() if _is_seed(key)))
