"""Which layers have died: more than half of their units give zero for everything, and were awake at first.

A unit is dead that was silent over a whole window of samples (Lu et al., arXiv:1903.06733), so that what dies within the first
window is dead at the first measurement of it. Whether it was awake before shows what arrived at its rectifier at the very first
sample, before any step: of a sound start about half is negative.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tuimon.diagnosis.evidence import Evidence
from tuimon.diagnosis.trace import Floats

HALF = 0.5  # of a layer's units: fewer dead ones cost capacity, but the layer still works
WHOLE = 0.98  # nothing passes the layer
MOSTLY = 0.95  # of what arrives: of a sound start half is negative, of a sparse layer nine tenths
_ROWS = 8  # samples in a batch: over a window of four sampled steps, what never shows in 32 is no rare feature
_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Death:
    """The layers that are dead.

    Attributes:
        columns: their columns, from the input on; none may be.
        fractions: which part of the units of each layer is dead, [layers].
        killed: those of the columns whose units were awake at first.
    """

    columns: list[int]
    fractions: Floats
    killed: list[int]


def death(evidence: Evidence, rows: float) -> Death | None:
    """Finds them; None where dead units were not measured.

    Args:
        evidence: of the run.
        rows: samples in a batch. Too few do not tell a dead unit from a rare one, but that none is awake.
    """
    panel = evidence.panel("dead_fraction")
    if not panel.count:
        return None
    latest = panel.lowest(_SAMPLES)
    above = np.flatnonzero(latest > (WHOLE if rows < _ROWS else HALF)).tolist()
    columns = [column for column in above if not _only_seems_dead(evidence, column)]
    return Death(columns, latest, [column for column in columns if _was_awake(evidence, column)])


def _only_seems_dead(evidence: Evidence, column: int) -> bool:
    """Whether a layer may get no gradient without being the problem.

    Outputs get none once everything is learned; a normalization gets none after a dead layer.
    """
    info = evidence.infos[column]
    last = column == len(evidence.infos) - 1
    return info is not None and ((last and not info.activation) or "Norm" in info.type)


def _was_awake(evidence: Evidence, column: int) -> bool:
    dead, negative = evidence.panel("dead_fraction").thinned, evidence.panel("negative_fraction").thinned
    if dead[0, column] <= HALF:
        return True
    return len(negative) > 0 and column < negative.shape[1] and bool(negative[0, column] <= MOSTLY)
