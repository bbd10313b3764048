"""Data as they were read, before they are split and prepared."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tuimon.spec.data import Dataset

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class Raw(NamedTuple):
    """Everything that was read of a dataset.

    `inputs` are float32 [N, *input_shape]. `targets` are class numbers int64 [N], or values float32 [N, K], or None where
    there is nothing to predict. With `train` above 0, the first so many examples are the published training split.
    """

    inputs: Floats
    targets: Integers | Floats | None
    class_names: tuple[str, ...] = ()
    input_names: tuple[str, ...] = ()
    train: int = 0

    @property
    def known(self) -> Dataset:
        """What these data are for, when nothing else is asked of them."""
        shape = self.inputs.shape[1:]
        if self.targets is None:
            return Dataset(len(self.inputs), shape, int(np.prod(shape)), "reconstruction")
        if self.targets.ndim == 1:
            return Dataset(len(self.inputs), shape, len(self.class_names))
        return Dataset(len(self.inputs), shape, self.targets.shape[1], "regression")
