"""What a tool says of a run, in one form for all tools: which kinds, how severe, from which step.

`diagnosed` is the one place that knows what tuimon's own findings look like.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.diagnosis.kinds import kinds_of
from tuimon.diagnosis import diagnose
from tuimon.log.batch import Batch, HistogramRecord, Points
from tuimon.log.store import Store

LOOKS = 100  # in a run


class Said(NamedTuple):
    """Something that a tool says of a run.

    Attributes:
        rule: the tool's name for it.
        kinds: what it means: names of `kinds.KINDS`.
        severity: critical, warning or hint.
        step: at which it is first said.
    """

    rule: str
    kinds: tuple[str, ...]
    severity: str
    step: int


def diagnosed(store: Store) -> list[Said]:
    """What tuimon says of a run over its whole life, by today's rules, also of a log that carries its own findings."""
    return [Said(one.rule, kinds_of(one.rule), one.severity, one.raised) for one in diagnose(store, again=True)]


def watched(store: Store, look: Callable[[Store], Iterable[tuple[str, str]]]) -> list[Said]:
    """What a tool without a memory says, that is asked again and again while the log grows.

    Args:
        store: the whole run.
        look: returns rule and severity of what the tool sees now.
    """
    said: dict[tuple[str, str], Said] = {}
    for step, so_far in growing(store):
        for rule, severity in look(so_far):
            said.setdefault((rule, severity), Said(rule, kinds_of(rule), severity, step))
    return list(said.values())


def growing(store: Store, looks: int = LOOKS) -> Iterator[tuple[int, Store]]:
    """The run as a live reader saw it: a store that grows, and the step it has come to."""
    so_far = Store()
    so_far.apply(Batch({}, events=[e for e in store.events if e.step == 0], bytes=1))
    before = -1
    for step in np.unique(np.linspace(0, store.step, looks + 1).astype(int))[1:].tolist():
        so_far.apply(_between(store, before, step))
        before = step
        yield step, so_far


def _between(store: Store, before: int, step: int) -> Batch:
    """What was logged after one step and up to another."""
    scalars = {}
    for tag, series in store.series.items():
        first, last = np.searchsorted(series.steps, [before, step], side="right").tolist()
        if last > first:
            scalars[tag] = Points(series.steps[first:last], series.walls[first:last], series.values[first:last])
    histograms = [
        HistogramRecord(tag, int(h.steps[i]), float(h.walls[i]), h.counts[i], float(h.mins[i]), float(h.maxs[i]))
        for tag, h in store.histograms.items()
        for i in range(*np.searchsorted(h.steps, [before, step], side="right").tolist())
    ]
    events: list[Any] = [e for e in store.events if max(before, 0) < e.step <= step]
    return Batch(scalars, histograms, events=events, bytes=1)
