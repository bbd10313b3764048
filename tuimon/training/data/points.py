"""Points in a plane, to see a decision border on: two moons, two spirals, three blobs. The same ones for every seed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DATASETS, DataSpec
from tuimon.training.data.raw import Floats, Integers, Raw

_TURNS = 1.75  # of a spiral
_NOISE = {"moons": 0.2, "spirals": 0.02, "blobs": 1.5}  # standard deviation around where a point would be


def points(name: str) -> Callable[[DataSpec], Raw]:
    """A reader of one of the sets of points."""
    return lambda spec: _read(name)


def _read(name: str) -> Raw:
    count, classes = DATASETS[name].examples, DATASETS[name].outputs
    places, targets = _spirals(count) if name == "spirals" else _made(name, count)
    names = tuple("abc"[:classes])
    return Raw(places.astype(np.float32), targets.astype(np.int64), names, ("x", "y"))


def _made(name: str, count: int) -> tuple[Floats, Integers]:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise TuimonError(
            f"The points of {name} need scikit-learn, which is not installed", "Run: pip install 'tuimon[train]'"
        ) from error
    if name == "moons":
        made = datasets.make_moons(count, noise=_NOISE[name], random_state=0)
    else:
        made = datasets.make_blobs(count, centers=3, cluster_std=_NOISE[name], random_state=0)
    return made[0], made[1]


def _spirals(count: int) -> tuple[Floats, Integers]:
    """Two arms around each other, from the middle to a distance of 1."""
    random = np.random.default_rng(0)
    targets = np.arange(count) % 2
    along = np.sqrt(random.uniform(0.02, 1.0, count))  # evenly over the arm's length
    angle = along * _TURNS * 2 * np.pi + targets * np.pi
    places = along[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
    return (places + random.normal(0, _NOISE["spirals"], places.shape)).astype(np.float32), targets
