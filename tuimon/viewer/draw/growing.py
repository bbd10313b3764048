"""An array that grows at its end without copying everything each time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class Growing:
    """A one-dimensional array with spare capacity."""

    def __init__(self, kind: DTypeLike) -> None:
        self._data: NDArray[Any] = np.empty(256, kind)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, values: NDArray[Any]) -> None:
        """Appends values."""
        end = self._length + len(values)
        if end > len(self._data):
            grown = np.empty(max(end, 2 * len(self._data)), self._data.dtype)
            grown[: self._length] = self._data[: self._length]
            self._data = grown
        self._data[self._length : end] = values
        self._length = end

    def view(self) -> NDArray[Any]:
        """The current content; stays valid and unchanged when more is appended."""
        return self._data[: self._length]
