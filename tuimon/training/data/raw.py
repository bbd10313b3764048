"""Data as they were read, before splitting and scaling."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from tuimon.spec.data import Dataset

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class Raw(NamedTuple):
    """A whole dataset as it was read.

    `inputs` are float32 [N, *input_shape]. `targets` are class numbers int64 [N], or values float32 [N, K], or None if there is
    nothing to predict. If `train` is above 0, the first `train` examples are the published training split.
    """

    inputs: Floats
    targets: Integers | Floats | None
    class_names: tuple[str, ...] = ()
    input_names: tuple[str, ...] = ()
    train: int = 0

    @property
    def known(self) -> Dataset:
        """The shape, outputs and task of these data, unless a spec asks for another task."""
        shape = self.inputs.shape[1:]
        if self.targets is None:
            return Dataset(len(self.inputs), shape, int(np.prod(shape)), "reconstruction")
        if self.targets.ndim == 1:
            return Dataset(len(self.inputs), shape, len(self.class_names))
        return Dataset(len(self.inputs), shape, self.targets.shape[1], "regression")
