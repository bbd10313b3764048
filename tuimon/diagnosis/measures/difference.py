"""What a change did, by two runs that go on from one point, of which one is changed.

Both see the same examples in the same order, so that losses of one step are compared, and what makes a batch easy or hard
cancels out. The later half of the steps that both have is judged: what remains of the effect, not what the change stirs
up at first. The mean of the medians of a dozen batches of differences is tested against zero by Student's t, two-sided at 1 %,
widened where neighbouring batches resemble each other (sources: `effect`). This noise does not include that two trainings also
drift apart because of a rounding: in a chaotic training, a small difference may be luck.

Pure functions; steps and losses are [n].
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuimon.diagnosis.measures.effect import BATCHES, LEAST_BEFORE, Floats, Steps, Verdict, student

_TAIL = 0.005
_MOST_CORRELATED = 0.8


@dataclass(frozen=True, slots=True)
class Difference:
    """How the changed run's loss compares with the unchanged one's.

    Attributes:
        verdict: what the change did.
        first: the first step that is compared.
        last: the last one.
        count: steps that are compared, of which both have a finite loss.
        changed: mean loss of the changed run there; NaN without any.
        unchanged: mean loss of the unchanged one.
        margin: the smallest difference that counts as one; NaN where it was too early.
    """

    verdict: Verdict
    first: int
    last: int
    count: int
    changed: float = math.nan
    unchanged: float = math.nan
    margin: float = math.nan


def difference(changed: tuple[Steps, Floats], unchanged: tuple[Steps, Floats], after: int) -> Difference:
    """Compares two runs.

    Args:
        changed: steps, ascending, and losses.
        unchanged: the same of the run without the change.
        after: the step at which they part.
    """
    steps, at, in_other = np.intersect1d(changed[0], unchanged[0], assume_unique=True, return_indices=True)
    late = np.flatnonzero(steps > after)
    late = late[len(late) // 2 :]
    steps, ours, theirs = steps[late], changed[1][at[late]], unchanged[1][in_other[late]]
    good = np.isfinite(ours), np.isfinite(theirs)
    both = good[0] & good[1]
    place = (int(steps[0]), int(steps[-1]), int(both.sum())) if len(steps) else (after, after, 0)
    if len(steps) and bool(good[0][-1]) != bool(good[1][-1]):
        return Difference("helped" if good[0][-1] else "made it worse", *place)
    if place[2] < LEAST_BEFORE:
        return Difference("too early to say", *place)
    gaps = ours[both] - theirs[both]
    levels = np.array([np.median(part) for part in np.array_split(gaps, min(BATCHES, len(gaps)))])
    margin, level = _margin(levels), float(levels.mean())
    verdict: Verdict = "no effect" if abs(level) <= margin else ("helped" if level < 0 else "made it worse")
    return Difference(verdict, *place, float(ours[both].mean()), float(theirs[both].mean()), margin)


def _margin(levels: Floats) -> float:
    """How far from zero their mean may lie by chance."""
    residuals = levels - levels.mean()
    squares = float((residuals**2).sum())
    if not squares:
        return 0.0
    alike = float((residuals[1:] * residuals[:-1]).sum()) / squares + 1 / len(levels)
    alike = min(max(alike, 0.0), _MOST_CORRELATED)
    freedom = len(levels) - 1
    return student(freedom, _TAIL) * math.sqrt(squares / freedom / len(levels) * (1 + alike) / (1 - alike))
