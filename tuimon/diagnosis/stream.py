"""Cuts a log into the stretches between two looks, by what is in the log alone.

A look follows each of the first samples of the layers and validations, and from then on when their number, or that of the
losses, has grown by a share: so that the number of looks grows with the logarithm of a run, and is the same for whoever reads
the log, in whatever batches. Not thread-safe.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.diagnosis.evidence import LOSS, SAMPLED, VALIDATION, Evidence, columns_of, is_kept, split_tag
from tuimon.diagnosis.trace import Floats, Steps
from tuimon.log.batch import Batch, Places, Points
from tuimon.log.records import Applied, Ended, Event, RunStarted

EACH = 12  # so many samples or validations are all looked at
GROWTH = 1.15  # a look is due when the number of points has grown by this factor
FIRST_LOSSES = 8  # before which there is nothing to judge in a loss

Order = NDArray[np.int64]


class _Scalars(NamedTuple):
    places: Order
    points: Points


class _Samples(NamedTuple):
    """Samples of one kind: `rows` [n, columns]."""

    kind: str
    places: Order
    steps: Steps
    rows: Floats


class Looks:
    """Decides where looks are."""

    def __init__(self) -> None:
        self._counts = {"loss": 0, "sample": 0, "validation": 0}
        self._due = {"loss": FIRST_LOSSES, "sample": 1, "validation": 1}
        self._finite = True

    def among(self, places: dict[str, Order], losses: Floats) -> list[int]:
        """The places in a batch after which a look is due; `places` are those of losses, samples and validations."""
        found = self._first_bad(places["loss"], losses)
        for kind, at in places.items():
            before = self._counts[kind]
            self._counts[kind] += len(at)
            while self._due[kind] <= self._counts[kind]:
                due = self._due[kind]
                found.append(int(at[due - before - 1]))
                each = kind != "loss" and due < EACH
                self._due[kind] = due + 1 if each else max(due + 1, math.ceil(due * GROWTH))
        return sorted(set(found))

    def _first_bad(self, at: Order, losses: Floats) -> list[int]:
        """The place of the first loss that is not finite, after one that is."""
        bad = np.flatnonzero(~np.isfinite(losses))
        turns = [int(at[i]) for i in bad.tolist() if (np.isfinite(losses[i - 1]) if i else self._finite)][:1]
        if len(losses):
            self._finite = bool(np.isfinite(losses[-1]))
        return turns


class Stream:
    """Feeds an `Evidence` with batches, and stops at each look."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence, self._looks = evidence, Looks()

    def stretches(self, batch: Batch) -> Iterator[None]:
        """Takes in a batch of `by_start`; yields where a look is due. Each is to be taken before the next."""
        assert batch.places is not None
        events = list(zip(batch.places.events, batch.events, strict=True))
        if events and isinstance(events[0][1].event, RunStarted):  # it names the layers
            self._evidence.apply(events.pop(0)[1])
        tags = [tag for tag in batch.scalars if not split_tag(tag)[0] and is_kept(tag)]
        scalars = [_Scalars(np.asarray(batch.places.scalars[tag]), batch.scalars[tag]) for tag in tags]
        samples = list(self._samples(batch))
        ends = [place for place, event in events if isinstance(event.event, Ended)]
        done = -1
        for look in sorted({*self._looks.among(*self._clocks(batch)), *ends}):
            self._advance(done, look, events, tags, scalars, samples)
            done = look
            yield
        self._advance(done, None, events, tags, scalars, samples)

    def _clocks(self, batch: Batch) -> tuple[dict[str, Order], Floats]:
        assert batch.places is not None
        at = batch.places.scalars
        none = np.empty(0, np.int64)
        sampled = [np.asarray(places) for tag, places in at.items() if tag.startswith(SAMPLED)]
        clocks = {
            "loss": np.asarray(at.get(LOSS, none)),
            "sample": np.unique(np.concatenate(sampled)) if sampled else none,
            "validation": np.asarray(at.get(VALIDATION, none)),
        }
        return clocks, batch.scalars[LOSS].values.astype(np.float64) if LOSS in batch.scalars else np.empty(0)

    def _samples(self, batch: Batch) -> Iterator[_Samples]:
        assert batch.places is not None
        for kind, tags in columns_of(self._evidence, batch.scalars).items():
            at = {tag: np.asarray(batch.places.scalars[tag]) for tag, _ in tags}
            first = at[tags[0][0]]
            alike = all(places is first or np.array_equal(places, first) for places in at.values())
            places = first if alike else np.unique(np.concatenate(list(at.values())))
            steps = np.zeros(len(places), np.int64)
            rows = np.full((len(places), len(self._evidence.names)), np.nan)
            for tag, column in tags:
                points = batch.scalars[tag]
                where: Any = slice(None) if alike else np.searchsorted(places, at[tag])
                rows[where, column] = points.values
                steps[where] = points.steps
            yield _Samples(kind, places, steps, rows)

    def _advance(
        self, done: int, until: int | None, events: list[Any], tags: list[str], scalars: list[_Scalars], samples: list[_Samples]
    ) -> None:
        for place, event in events:
            if place > done and (until is None or place <= until):
                self._evidence.apply(event)
        for tag, (places, points) in zip(tags, scalars, strict=True):
            begin, end = _between(places, done, until)
            if end > begin:
                values = points.values[begin:end].astype(np.float64)
                self._evidence.extend(tag, points.steps[begin:end], values, points.walls[begin:end])
        for kind, places, steps, rows in samples:
            begin, end = _between(places, done, until)
            if end > begin:
                self._evidence.sample(kind, steps[begin:end], rows[begin:end])


def _between(places: Order, done: int, until: int | None) -> tuple[int, int]:
    """The points after place `done`, up to and with `until`."""
    begin = int(np.searchsorted(places, done, side="right"))
    return begin, len(places) if until is None else int(np.searchsorted(places, until, side="right"))


def by_start(batch: Batch) -> list[Batch]:
    """A batch cut before each `RunStarted`: what comes after one may be another training, or have other layers.

    Likewise before each time that the run went back to a checkpoint: what comes after it are other weights.

    Raises:
        ValueError: the batch does not tell the order of its records.
    """
    if batch.places is None:
        raise ValueError("a batch that does not tell the order of its records")
    pairs = zip(batch.places.events, batch.events, strict=True)
    starts = [place for place, event in pairs if isinstance(event.event, RunStarted) or is_rewind(event.event)]
    if not starts:
        return [batch]
    return [_part(batch, begin, end) for begin, end in itertools.pairwise([-1, *starts, 1 << 62])]


def is_rewind(event: Event) -> bool:
    """Whether a run went back to a checkpoint here, or to new weights."""
    return isinstance(event, Applied) and event.lever in ("rewind", "reinit_weights")


def _part(batch: Batch, begin: int, end: int) -> Batch:
    """The events and scalars from place `begin` to before `end`."""
    assert batch.places is not None
    scalars, places = {}, {}
    for tag, points in batch.scalars.items():
        at = np.asarray(batch.places.scalars[tag])
        low, high = np.searchsorted(at, [begin, end])
        if high > low:
            scalars[tag], places[tag] = (
                Points(points.steps[low:high], points.walls[low:high], points.values[low:high]),
                at[low:high],
            )
    inside = [i for i, place in enumerate(batch.places.events) if begin <= place < end]
    at_events = [batch.places.events[i] for i in inside]
    return Batch(scalars, events=[batch.events[i] for i in inside], places=Places(places, (), (), at_events))
