"""Fills empty cells of a table with a statistic of the training split only, so that nothing of the validation split leaks."""

from __future__ import annotations

import numpy as np

from tuimon.base.errors import TuimonError
from tuimon.training.data.raw import Floats, Integers, Raw


def filled(raw: Raw, train: Integers, how: str) -> Raw:
    """The data with each NaN of the inputs replaced.

    Args:
        raw: the data; empty cells of inputs [N, columns] are NaN.
        train: indices of the training split.
        how: `mean` or `median` of the column, or `zero`.

    Raises:
        TuimonError: a column has no number in the training split.
    """
    empty = np.isnan(raw.inputs)
    if not empty.any():
        return raw
    return raw._replace(inputs=np.where(empty, _values(raw, train, empty, how), raw.inputs))


def _values(raw: Raw, train: Integers, empty: np.ndarray, how: str) -> Floats:
    values = np.zeros(raw.inputs.shape[1], np.float32)
    if how == "zero":
        return values
    of = np.nanmean if how == "mean" else np.nanmedian
    for column in np.flatnonzero(empty.any(axis=0)):
        known = raw.inputs[train, column].astype(np.float64)
        if np.isnan(known).all():
            name = raw.input_names[column] if raw.input_names else column + 1
            raise TuimonError(
                f"data.fill = {how!r}: the column {name} has no number in the training split",
                "Remove it, or use data.fill=zero.",
            )
        values[column] = of(known)
    return values
