"""Judges what a preset claims, from the logs of its runs. Pure functions; knows no presets and no files."""

from __future__ import annotations

import fnmatch
import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tuimon.log.store import Store
from tuimon.spec.claims import Claim, Statistic, Told

_END = 0.05  # the share of a series that is its end
Values = npt.NDArray[np.float64]


class Verdict(NamedTuple):
    """Whether a claim holds.

    Attributes:
        held: in how many runs it held.
        runs: how many runs could be judged.
        pairs: for each run the value and what it was compared with, in the order of the seeds.
    """

    held: int
    runs: int
    pairs: tuple[tuple[float, float], ...]

    def passes(self, claim: Claim) -> bool:
        """Whether it held in as large a part of the runs as the claim says."""
        least, of = claim.seeds
        return self.runs > 0 and self.held * of >= least * self.runs


def judge(claim: Claim, runs: Sequence[tuple[Store, Store | None]]) -> Verdict:
    """Judges a claim over runs of several seeds.

    Args:
        claim: what is claimed.
        runs: for each seed the run that the claim is about, and the one that it is compared with (None: it is a number).
    """
    pairs = tuple(_pair(claim, own, other) for own, other in runs)
    return Verdict(sum(_holds(claim.relation, *pair) for pair in pairs), len(pairs), pairs)


def value_of(told: Told, store: Store) -> float:
    """The number that a claim speaks of; NaN if the log has no such tag."""
    tags = [tag for tag in store if fnmatch.fnmatchcase(tag, told.tag)]
    values = [_statistic(told, *_within(told, store, tag)) for tag in tags]
    return float(_OVER[told.over or "sum"](np.array(values))) if values else math.nan


def _pair(claim: Claim, own: Store, other: Store | None) -> tuple[float, float]:
    right = claim.number if claim.other is None or other is None else value_of(claim.other, other)
    return value_of(claim, own), claim.times * (math.nan if right is None else right)


def _holds(relation: str, left: float, right: float) -> bool:
    if relation == "=":
        return left == right or (math.isnan(left) and math.isnan(right))
    return left < right if relation == "<" else left > right


def _within(told: Told, store: Store, tag: str) -> tuple[Values, Values]:
    """The steps and values of a tag between `since` and `until`."""
    series = store[tag]
    chosen = (series.steps >= told.since) & (series.steps <= (told.until or math.inf))
    return series.steps[chosen].astype(np.float64), series.values[chosen].astype(np.float64)


def _statistic(told: Told, steps: Values, values: Values) -> float:
    if not len(values):
        return math.nan
    kind: Statistic = told.statistic or "last"
    if kind == "step_below":
        below = np.flatnonzero(values < told.level)
        return float(steps[below[0]]) if len(below) else math.inf
    if kind in ("first", "last"):
        return float(values[0 if kind == "first" else -1])
    if kind == "end":
        values = values[-max(1, round(len(values) * _END)) :]
        return float(values.mean())  # NaN in it counts: it is how the run ends
    finite = values[~np.isnan(values)]
    return float(_REDUCED[kind](finite)) if len(finite) else math.nan


_Reduce = Callable[[Values], np.floating | float]
_REDUCED: dict[str, _Reduce] = {"min": np.min, "max": np.max, "mean": np.mean}
_OVER: dict[str, _Reduce] = {"sum": np.sum, "mean": np.mean, "min": np.min, "max": np.max}
