"""How the gradient changes on its way back from the last layer to the first.

The measure is the slope of log10 of each layer's root-mean-square gradient (its norm by the square root of its parameters, so
that wide and narrow layers compare) over its place in depth: Theil-Sen's, the median of the slopes between all pairs (Sen, JASA
63, 1968), which one odd layer does not move. Its unit is decades per layer; below zero the gradient vanishes towards the input,
above zero it explodes. A sigmoid passes at most a quarter of a gradient (-0.6; Glorot and Bengio, AISTATS 2010); a network that
keeps variances (He et al., ICCV 2015) has a slope near 0. Medians of the latest samples, so that one batch decides nothing.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass

import numpy as np

from tuimon.diagnosis.evidence import Evidence
from tuimon.diagnosis.trace import Floats, Steps, median
from tuimon.log.records import LayerInfo

_LEAST = 3  # layers
_SAMPLES = 3  # of which the median counts
_TINIEST = 1e-45  # the least float32 above zero: what is zero has underflowed
_TINY = 1e-20  # what a layer may shrink to nothing is a good deal smaller still
_MOST = 64  # layers that are compared in pairs, evenly chosen
_UNTRUSTED = ("Norm", "Embedding", "PReLU")  # their gradients depend on other things than depth


@dataclass(frozen=True, slots=True)
class Depth:
    """The gradient over the layers, from the input to the output.

    Attributes:
        names: the layers that are compared.
        norms: their gradient norms, [layers].
        sizes: their root-mean-square gradients, [layers].
        slope: decades per layer on the way back, below 0 where the gradient shrinks.
        span: the decades between the ends, as the slope has them; below 0 where the gradient shrinks.
        step: the latest sample's.
    """

    names: list[str]
    norms: Floats
    sizes: Floats
    slope: float
    span: float
    step: int

    @property
    def zero(self) -> bool:
        """Whether no layer gets any gradient."""
        return not self.norms.any()

    @property
    def cut(self) -> bool:
        """Whether the gradient ends at one layer: nothing of it goes on, and that is more than any one layer takes of it."""
        ends = np.flatnonzero((self.norms[:-1] == 0) & (self.norms[1:] > _TINY))
        return len(ends) > 0


def depth(evidence: Evidence, first: bool = False) -> Depth | None:
    """Compares the layers at the latest samples, or at the first one; None with fewer than three, or without a sample."""
    panel = evidence.panel("grad_norm")
    norms = panel.thinned[0] if first and len(panel.thinned) else panel.usual(_SAMPLES)
    finite = np.isfinite(norms).tolist()
    columns = [i for i in weighing(evidence) if i < len(finite) and finite[i]]
    if len(columns) < _LEAST:
        return None
    sizes = norms[columns] / [math.sqrt(max(info.parameters if (info := evidence.infos[i]) else 1, 1)) for i in columns]
    logs = np.log10(np.maximum(sizes, _TINIEST))
    slope = -_theil_sen(logs)
    names = [evidence.names[i] for i in columns]
    span = slope * (len(columns) - 1)
    return Depth(names, norms[columns], sizes, slope, span, int(panel.recent_steps[-1]))


def growth(evidence: Evidence) -> tuple[float, float, float] | None:
    """How activations grow from the input on: the slope of log10 of their root mean square, in decades per layer; the span.

    The third number is the root mean square of the last layer before the output.

    At the first sample, which shows the initial weights. None with fewer than three layers.
    """
    means, stds = evidence.panel("activation_mean"), evidence.panel("activation_std")
    if not len(means.thinned) or len(means.thinned) != len(stds.thinned):
        return None
    sizes = np.hypot(means.thinned[0], stds.thinned[0])
    columns = [
        i for i in weighing(evidence)[:-1] if i < len(sizes) and np.isfinite(sizes[i])
    ]  # the last one's scale is its own
    logs = np.log10([max(sizes[i], _TINIEST) for i in columns])
    if len(logs) < _LEAST:
        return None
    slope = _theil_sen(logs)
    return slope, slope * (len(logs) - 1), float(10 ** logs[-1])


def weighing(evidence: Evidence) -> list[int]:
    """The columns of layers that multiply by weights: not of norms, embeddings, or what is not trained."""
    known = evidence.of_layers.get("weighing")
    if known is None:
        known = evidence.of_layers["weighing"] = [i for i, info in enumerate(evidence.infos) if info is None or _weighs(info)]
    return known


def _weighs(info: LayerInfo) -> bool:
    return info.trainable and not any(word in info.type for word in _UNTRUSTED)


def _theil_sen(values: Floats) -> float:
    """The median slope between all pairs of values [n] at the places 0 … n-1."""
    first, second, between = _pairs(len(values))
    return median((values[second] - values[first]) / between)


@functools.lru_cache(maxsize=8)
def _pairs(count: int) -> tuple[Steps, Steps, Steps]:
    """The first and the second of all pairs among 0 … count-1, of which many are evenly chosen, and what lies between them."""
    places = np.arange(count) if count <= _MOST else np.linspace(0, count - 1, _MOST).astype(int)
    first, second = np.triu_indices(len(places), 1)
    return places[first], places[second], places[second] - places[first]
