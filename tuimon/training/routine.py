"""Routine checkpoints, best and last, with a limit on how often the disk is written to.

An epoch of a small model takes a fraction of a second. Between writes, the best state is kept in memory. Both files are written
together, so that a run resumed from its last checkpoint finds the best one that it remembers.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any, Literal

from torch import Tensor

from tuimon.training import checkpoint

EVERY_S = 3.0

Save = Callable[[str, Literal["last", "best"], dict[str, Any]], object]


class Routine:
    """Decides when to write the best and the last checkpoint.

    Args:
        save: writes a checkpoint under a name; handles its own errors.
        content: returns the content of a checkpoint of the current state; its tensors may be the model's own.
        clock: returns monotonic seconds.
    """

    def __init__(self, save: Save, content: Callable[[], dict[str, Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._save, self._content, self._clock = save, content, clock
        self._next = clock()
        self._best: dict[str, Any] | None = None

    def keep_best(self) -> None:
        """Keeps the current state as the best: writes it, or holds a copy on the CPU if the last write was too recent."""
        if self._clock() >= self._next:
            self._save(checkpoint.BEST, "best", self._content())
            self._best = None
        else:
            self._best = _held(self._content())

    def write_best(self) -> None:
        """Writes the held best state."""
        if self._best is not None:
            self._save(checkpoint.BEST, "best", self._best)
            self._best = None

    def save_last(self, over: bool) -> None:
        """Saves the held best state and the current one, if it is time to or training is `over`."""
        if not over and self._clock() < self._next:
            return
        self.write_best()
        self._save(checkpoint.LAST, "last", self._content())
        self._next = self._clock() + EVERY_S


def _held(part: Any) -> Any:
    """A copy of a checkpoint's content without GPU tensors."""
    if isinstance(part, Tensor):
        return part.detach().to("cpu", copy=True)
    if isinstance(part, dict):
        copied = copy.copy(part)  # keeps the metadata of a state_dict
        copied.update({key: _held(value) for key, value in part.items()})
        return copied
    return [_held(value) for value in part] if type(part) is list else copy.deepcopy(part)
