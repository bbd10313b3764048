"""A naive monitor, as one writes it in ten lines: NaN, a loss that is not lower than at its start, a rising validation loss."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tuimon.log.store import Store


def look(store: Store) -> Iterator[tuple[str, str]]:
    """What it sees now: rule and severity."""
    losses = store["loss/train"].values if "loss/train" in store else []
    if len(losses) and not math.isfinite(losses[-1]):
        yield "naive:nan", "critical"
    elif len(losses) >= 20 and not losses[-10:].mean() < losses[:10].mean():
        yield "naive:not-lower-than-at-the-start", "warning"
    vals = store["loss/val"].values if "loss/val" in store else []
    if len(vals) >= 3 and vals[-1] > vals[-2] > vals[-3]:
        yield "naive:validation-rises", "warning"
