"""How far layers sit at the ends of their activation's range.

Two measures, each a share in [0, 1] of which 1 is fully saturated. By unit: the share of units that are within 5 % of an
asymptote for more than 95 % of the samples (`saturated_fraction`). By value: the root mean square of the activation around the
middle of its range, by half of that range: a tanh at its ends has 1, a standard normal input to a tanh gives 0.63 (Glorot and
Bengio, AISTATS 2010, look at the same distribution). The second also sees units that jump from one end to the other.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from tuimon.diagnosis.evidence import Evidence

_RANGES = {
    "Tanh": (-1.0, 1.0),
    "Sigmoid": (0.0, 1.0),
    "Hardtanh": (-1.0, 1.0),
    "Hardsigmoid": (0.0, 1.0),
    "Softsign": (-1.0, 1.0),
}
_UNITS = 0.5  # more than half of a layer's units
_VALUES = 0.9  # a tanh of inputs with a standard deviation of 5, ten times what variance-keeping weights give a deep layer
_SAMPLES = 3


@dataclass(frozen=True, slots=True)
class Saturation:
    """The layers that are saturated.

    Attributes:
        columns: of the layers, from the input on.
        values: of each, the measure that shows it.
        words: of each, the measure in words.
        step: of the latest sample.
    """

    columns: list[int]
    values: list[float]
    words: list[str]
    step: int


def saturation(evidence: Evidence) -> Saturation | None:
    """Finds the saturated layers, but for the last one: a classifier that is sure is saturated there. None without a sample."""
    units, means = evidence.panel("saturated_fraction"), evidence.panel("activation_mean")
    if not units.count and not means.count:
        return None
    fractions = units.lowest(_SAMPLES)
    sizes = _sizes(evidence)
    found: list[tuple[int, float, str]] = []
    for i in range(len(evidence.names) - 1):
        if i < len(fractions) and fractions[i] > _UNITS:
            found.append(
                (i, float(fractions[i]), f"{fractions[i]:.0%} of them are at an end of their range for nearly every sample")
            )
        elif i < len(sizes) and sizes[i] > _VALUES:
            found.append((i, float(sizes[i]), f"nearly all of their values are at the ends of the range ({sizes[i]:.2f} of 1)"))
    panel = units if units.count else means
    return Saturation(
        [i for i, _, _ in found], [x for _, x, _ in found], [text for *_, text in found], int(panel.recent_steps[-1])
    )


def _sizes(evidence: Evidence) -> list[float]:
    """Of each layer, the root mean square around the middle of its range, by half of the range; NaN where it has none."""
    means, stds = evidence.panel("activation_mean").usual(_SAMPLES), evidence.panel("activation_std").usual(_SAMPLES)
    sizes = []
    for info, mean, std in zip(evidence.infos, means.tolist(), stds.tolist(), strict=False):
        bounds = _RANGES.get("Tanh" if info.type == "RNN" else info.activation) if info else None
        if bounds is None:
            sizes.append(math.nan)
            continue
        low, high = bounds
        sizes.append(math.hypot(mean - (low + high) / 2, std) / ((high - low) / 2))
    return sizes
