"""How far a step moves each layer: ‖ΔW‖/‖W‖, a share.

Usual is 1e-4 to 1e-2, about 1e-3 (Karpathy, CS231n, "Ratio of weights:updates"). The first steps of adaptive optimizers move
every weight by about the learning rate, and so small weights by more. Medians of the latest samples and over the layers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from tuimon.diagnosis.evidence import Evidence
from tuimon.diagnosis.measures.depth import weighing
from tuimon.diagnosis.panel import medians
from tuimon.diagnosis.trace import Floats, median

USUAL = (1e-4, 1e-2)
SAMPLES = 3  # the latest, of which the median counts: with fewer, a single batch decides


@dataclass(frozen=True, slots=True)
class Updates:
    """The relative updates of the layers.

    Attributes:
        names: the layers.
        ratios: each one's update ratio, [layers].
        middle: the median over the layers.
        first: the same at the first samples.
        later: the upper quartile of later samples, as a share of the weights before the first: the first steps of some
            optimizers are longer than all others, and where units have died there are none. NaN without later samples.
        step: the latest sample's.
        count: samples so far.
        rows: samples, [n, layers], the latest ones last.
    """

    names: list[str]
    ratios: Floats
    middle: float
    first: float
    later: float
    step: int
    count: int
    rows: Floats


def updates(evidence: Evidence) -> Updates | None:
    """Measures the updates; None without a sample of them."""
    panel = evidence.panel("update_ratio")
    ratios = panel.usual(SAMPLES)
    finite = np.isfinite(ratios).tolist()
    columns = [i for i in weighing(evidence) if i < len(finite) and finite[i]]
    if not columns:
        return None
    found = ratios[columns]
    names = [evidence.names[i] for i in columns]
    begins = medians(panel.thinned[:SAMPLES, columns].T)
    first = float(max((ratio for ratio in begins.tolist() if math.isfinite(ratio)), default=0.0))
    step = int(panel.recent_steps[-1])
    later = _later(evidence, columns)
    return Updates(names, found, median(found), first, later, step, panel.count, panel.recent[:, columns])


def _later(evidence: Evidence, columns: list[int]) -> float:
    ratios, norms = evidence.panel("update_ratio").thinned[:, columns], evidence.panel("weight_norm").thinned
    if len(ratios) != len(norms) or len(ratios) < 2:
        return math.nan
    norms = norms[:, columns]
    begin = norms[0] / np.sqrt(
        1 + ratios[0] ** 2
    )  # the norm is sampled after the step, which has hardly the weights' direction
    lengths = medians((ratios[1:] * norms[1:] / begin).T)
    known = lengths[np.isfinite(lengths)]
    return float(np.quantile(known, 0.75)) if len(known) else math.nan
