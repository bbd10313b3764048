"""The gradient noise scale: how large a batch would have to be for its gradient to be as large as its noise, in samples.

Of two batches of B samples the gradients g and h share the true gradient G, and nothing of their noise, whose variance is
tr(Σ)/B: the mean of g·h is |G|², that of |g|² is |G|² + tr(Σ)/B. So their cosine c is about |G|² / (|G|² + tr(Σ)/B), and
tr(Σ)/|G|², the simple noise scale, is B · (1 − c) / c (McCandlish et al., An Empirical Model of Large-Batch Training, 2018, 2.2
and appendix A). The two samples lie steps apart, so that G has turned meanwhile: it is an upper bound where steps are long.
"""

from __future__ import annotations

import numpy as np

from tuimon.diagnosis.evidence import Evidence
from tuimon.diagnosis.trace import median

_LEAST = 8  # cosines
_LATEST = 24
_SMALLEST = 0.01  # a cosine below it cannot be told from none


def noise_scale(evidence: Evidence, rows: float) -> float:
    """Samples; NaN with fewer than eight cosines, or where gradients point against each other, which is not noise.

    Args:
        evidence: what is logged.
        rows: samples in a batch.
    """
    trace = evidence.trace("grad_cosine")
    cosines = trace.recent[-_LATEST:] if trace else np.empty(0)
    cosines = cosines[np.isfinite(cosines)]
    if len(cosines) < _LEAST:
        return float("nan")
    middle = median(cosines)
    spread = 1.0 / np.sqrt(len(cosines))
    if middle < -spread:
        return float("nan")
    cosine = max(middle, _SMALLEST)
    return rows * (1 - cosine) / cosine
