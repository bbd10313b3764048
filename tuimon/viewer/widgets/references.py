"""Values to compare a chart's curves with: the best validation so far, and what guessing would give."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tuimon.base import format
from tuimon.base.errors import TuimonError
from tuimon.log.store import Store
from tuimon.viewer.draw.curve import Reference
from tuimon.viewer.widgets.chart_groups import side_of


class References:
    """The lines of one run's charts. Its spec is read once."""

    def __init__(self) -> None:
        self._spec: object = None
        self._classes = 0

    def of(self, store: Store, title: str, tags: Sequence[str]) -> tuple[Reference, ...]:
        """The lines of one chart; those outside of its range are not drawn."""
        spec = (store.started and store.started.spec) or (store.launched and store.launched.spec) or {}
        if spec is not self._spec and spec:
            self._spec, self._classes = spec, classes_of(spec)
        return _lines(store, title, tags, self._classes)


def _lines(store: Store, title: str, tags: Sequence[str], classes: int) -> tuple[Reference, ...]:
    found = _best(store, title, tags)
    if classes and title == "loss":
        found.append(Reference(math.log(classes), f"chance {format.number(math.log(classes))}"))
    if classes and title == "accuracy":
        found.append(Reference(1 / classes, f"chance {format.number(1 / classes)}"))
    return tuple(found)


def classes_of(spec: Mapping[str, Any]) -> int:
    """The number of classes that a spec's model tells apart by a cross entropy; 0 if it is unknown, or another task."""
    from tuimon.spec.loading import parse_spec

    try:
        read = parse_spec(spec) if spec else None
        if read is None or read.data.known.task != "classification" or read.loss.name not in ("auto", "cross_entropy"):
            return 0
        return read.data.known.outputs
    except TuimonError:
        return 0


def _best(store: Store, title: str, tags: Sequence[str]) -> list[Reference]:
    """The lowest validation loss, or the highest validation accuracy, once there are several."""
    tag = next((tag for tag in tags if side_of(tag) == "val" and tag in store), "")
    low, high = "loss" in title.lower(), any(word in title.lower() for word in ("acc", "f1", "auc", "bleu"))
    if not tag or not (low or high):
        return []
    values = store[tag].values
    finite = values[np.isfinite(values)]
    if len(finite) < 2:
        return []
    best = float(finite.min() if low else finite.max())
    return [Reference(best, f"best {format.number(best)}")]
