"""Routine checkpoints, best and last: not more often than a disk should be written to.

An epoch of a small model lasts a fraction of a second. Meanwhile the best state is held in memory, and both files are
written together, so that a run which goes on from its last checkpoint finds the best one that it remembers.
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
    """Decides when the best and the last checkpoint are written.

    Args:
        save: writes a content under a name; its failure is its own matter.
        content: what a checkpoint made now would hold; its tensors may be the model's own.
        clock: seconds that never go back.
    """

    def __init__(self, save: Save, content: Callable[[], dict[str, Any]], clock: Callable[[], float] = time.monotonic) -> None:
        self._save, self._content, self._clock = save, content, clock
        self._next = clock()
        self._best: dict[str, Any] | None = None

    def keep_best(self) -> None:
        """The state of now is the best so far. A copy is held, off the GPU, only where an epoch is too short for a file."""
        if self._clock() >= self._next:
            self._save(checkpoint.BEST, "best", self._content())
            self._best = None
        else:
            self._best = _held(self._content())

    def save_last(self, over: bool) -> None:
        """Saves the state of now, after the best one if that was held; only if it is time to, or training is `over`."""
        if not over and self._clock() < self._next:
            return
        if self._best is not None:
            self._save(checkpoint.BEST, "best", self._best)
            self._best = None
        self._save(checkpoint.LAST, "last", self._content())
        self._next = self._clock() + EVERY_S


def _held(part: Any) -> Any:
    """A copy of a checkpoint's content that takes no room on a GPU."""
    if isinstance(part, Tensor):
        return part.detach().to("cpu", copy=True)
    if isinstance(part, dict):
        copied = copy.copy(part)  # with what a state_dict carries beside its entries
        copied.update({key: _held(value) for key, value in part.items()})
        return copied
    return [_held(value) for value in part] if type(part) is list else copy.deepcopy(part)
