"""Which wall times can be times at all.

Writers without a clock, or with a wrong one, log 0, NaN, infinities or numbers beyond any date. No axis and no duration is
made of those.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

_YEAR_10000 = 253_402_300_800.0  # dates end there, in Python as elsewhere

Floats = npt.NDArray[np.float64]


def is_time(wall: float) -> bool:
    """Whether a wall time is after 1970 and before the year 10000."""
    return 0.0 < wall < _YEAR_10000


def are_times(walls: Floats) -> npt.NDArray[np.bool_]:
    """`is_time` of each; [n]."""
    return (walls > 0.0) & (walls < _YEAR_10000)


def plausible(walls: Floats) -> Floats:
    """Those that are times, in their order; the array itself if all are."""
    found = are_times(walls)
    return walls if found.all() else walls[found]


def elapsed(walls: Floats, origin: float, so_far: float = 0.0) -> Floats:
    """Seconds since `origin`, finite and never running backwards; [n].

    Args:
        walls: in the order of the log. What is no time counts as no time passed.
        origin: where the axis begins; anything if no record has a time.
        so_far: the seconds of the point before the first.
    """
    seconds = np.where(are_times(walls), walls - origin, so_far) if is_time(origin) else np.full(len(walls), so_far)
    return np.maximum.accumulate(np.maximum(seconds, so_far))
