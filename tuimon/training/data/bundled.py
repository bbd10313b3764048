"""The small datasets bundled with scikit-learn, and California housing, which is downloaded."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DataSpec
from tuimon.training.data.images import read_members
from tuimon.training.data.published import Published, find
from tuimon.training.data.raw import Raw

CALIFORNIA_HOUSING = Published(
    "California housing",
    ("california_housing",),
    ("https://ndownloader.figshare.com/files/5976036#",),  # the URL ends in a number; the file name is ours
    {"cal_housing.tgz": "aaa5c9a6afe2225cc2aed2723682ae403280c4a3695a2ddda4ffb5d8215ea681"},
)
_HOUSING_INPUTS = (
    "median income", "house age", "average rooms", "average bedrooms", "population", "average occupancy", "latitude",
    "longitude",
)  # fmt: skip


def bundled(loader: str) -> Callable[[DataSpec], Raw]:
    """A reader of one of scikit-learn's datasets, by the name of its function in sklearn.datasets."""
    return lambda spec: _read_bundled(loader)


def read_california_housing(spec: DataSpec) -> Raw:
    """Reads the block groups of the 1990 census: 8 inputs, and the median house value in units of 100,000 dollars."""
    (content,) = read_members(
        find(CALIFORNIA_HOUSING, spec)["cal_housing.tgz"], ("CaliforniaHousing/cal_housing.data",)
    ).values()
    table = np.loadtxt(io.BytesIO(content), delimiter=",", ndmin=2)
    longitude, latitude, age, rooms, bedrooms, population, households, income, value = table.T
    a_household = [rooms / households, bedrooms / households, population, population / households]
    inputs = np.stack([income, age, *a_household, latitude, longitude], axis=1)
    return Raw(inputs.astype(np.float32), (value / 100_000).astype(np.float32)[:, None], input_names=_HOUSING_INPUTS)


def _read_bundled(loader: str) -> Raw:
    try:
        from sklearn import datasets
    except ImportError as error:
        raise TuimonError(
            "This dataset needs scikit-learn, which is not installed", "Run: pip install 'tuimon[train]'"
        ) from error
    found: Any = getattr(datasets, loader)()
    names = tuple(str(name) for name in getattr(found, "target_names", ()))
    inputs = (found.images[:, None] if "images" in found else found.data).astype(np.float32)
    targets = found.target.astype(np.int64) if names else found.target.astype(np.float32)[:, None]
    return Raw(inputs, targets, names, tuple(str(name) for name in found.feature_names))
