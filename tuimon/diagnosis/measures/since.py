"""From which step on something has held without a break. Pure functions over what is remembered."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tuimon.diagnosis.panel import Panel


def since(panel: Panel, holds: NDArray[np.bool_], thinned_holds: NDArray[np.bool_]) -> int:
    """The step of the first sample from which on all hold.

    Args:
        panel: the samples.
        holds: of each of its latest samples, [n].
        thinned_holds: of each of its thinned ones, [m].
    """
    breaks = np.flatnonzero(~holds)
    if len(breaks):
        at = min(int(breaks[-1]) + 1, len(holds) - 1)
        return int(panel.recent_steps[at])
    earlier = np.flatnonzero(~thinned_holds)
    if not len(earlier):
        return int(panel.thinned_steps[0]) if len(panel.thinned_steps) else int(panel.recent_steps[0])
    at = int(earlier[-1]) + 1
    return int(panel.thinned_steps[at]) if at < len(panel.thinned_steps) else int(panel.recent_steps[0])


def column_since(panel: Panel, column: int, above: float) -> int:
    """The step from which on a layer's value has been above a threshold."""
    return since(panel, panel.recent[:, column] > above, panel.thinned[:, column] > above)
