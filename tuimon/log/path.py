"""The path of an optimizer over a function of one or two weights, which the trainer logs. Pure functions; numpy."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.log.store import Store

PREFIX = "weights/"  # and a weight's name: each weight is a scalar of its own
PARABOLA, BOWL = "quadratic", "bowl"  # the functions, by the name of the model
_WEIGHTS = {PARABOLA: ("w",), BOWL: ("x", "y")}
_CONDITION = 20.0  # of a bowl that says nothing else

Floats = NDArray[np.float64]


class Path(NamedTuple):
    """Where an optimizer was after each step.

    Attributes:
        function: of which weights: `quadratic` or `bowl`.
        condition: of a bowl, how much steeper it is along y.
        places: [steps + 1, weights].
    """

    function: str
    condition: float
    places: Floats

    def value(self, *weights: Any) -> Any:
        """The function's value at some weights."""
        if self.function == PARABOLA:
            return (weights[0] - 5) ** 2
        return (weights[0] ** 2 + self.condition * weights[1] ** 2) / 2


def path_of(store: Store) -> Path | None:
    """The path that a run has logged; None if it trains something else, or its log does not say over what."""
    spec = (store.started.spec if store.started else None) or {}
    try:
        function = spec["model"]["name"]
        tags = [PREFIX + name for name in _WEIGHTS[function]]
        condition = float(spec["model"].get("options", {}).get("condition", _CONDITION))
    except (AttributeError, KeyError, TypeError, ValueError):  # anybody may have written it
        return None
    if not math.isfinite(condition) or not all(tag in store.series for tag in tags):
        return None
    count = min(len(store[tag].values) for tag in tags)
    places = np.stack([store[tag].values[:count].astype(np.float64) for tag in tags], 1)
    places = places[np.isfinite(places).all(1)]
    return Path(function, condition, places) if len(places) else None
