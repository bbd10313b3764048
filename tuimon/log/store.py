"""Everything a reader knows of one run: the log's records, folded.

The live screen, the headless printer, the diagnosis and `tuimon.read_run` all hold one of these. It is fed with batches and
never reads anything itself. Not thread-safe: it belongs to the thread that applies the batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import numpy.typing as npt

from tuimon.log.batch import Batch, EventRecord, HistogramRecord, Points, TextRecord
from tuimon.log.histogram import BINS
from tuimon.log.records import Applied, Ended, Exited, Finding, Launched, LeverInfo, RunStarted

if TYPE_CHECKING:
    from tuimon.log.files import Damage

_GROWTH = 1.2  # a point takes 20 bytes; this keeps a growing series within 24


class _Column:
    """An array that grows at its end."""

    def __init__(self, shape: tuple[int, ...], kind: npt.DTypeLike) -> None:
        self._data = np.empty((0, *shape), kind)
        self.length = 0

    def extend(self, rows: npt.NDArray[Any]) -> None:
        needed = self.length + len(rows)
        if needed > len(self._data):
            grown = np.empty((max(needed, int(len(self._data) * _GROWTH)), *self._data.shape[1:]), self._data.dtype)
            grown[: self.length] = self._data[: self.length]
            self._data = grown
        self._data[self.length : needed] = rows
        self.length = needed

    def view(self) -> npt.NDArray[Any]:
        view = self._data[: self.length]
        view.flags.writeable = False
        return view


class _Table:
    """Columns of one length, the first two being the step and the wall time."""

    def __init__(self, *columns: _Column) -> None:
        self._columns = (_Column((), np.int64), _Column((), np.float64), *columns)
        self.version = 0

    def __len__(self) -> int:
        return self._columns[0].length

    @property
    def steps(self) -> npt.NDArray[np.int64]:
        """Steps, int64 [n], in the order of the log."""
        return self._columns[0].view()

    @property
    def walls(self) -> npt.NDArray[np.float64]:
        """Wall times in seconds since the epoch, float64 [n]."""
        return self._columns[1].view()

    def _extend(self, *rows: npt.NDArray[Any]) -> None:
        for column, new in zip(self._columns, rows, strict=True):
            column.extend(new)
        self.version += 1

    def cut(self, step: int) -> None:
        """Forgets what came after `step`: a resumed run goes on from there. Steps ascend within a run."""
        length = int(np.searchsorted(self.steps, step, side="right"))
        for column in self._columns:
            column.length = length
        self.version += 1


class Series(_Table):
    """The scalars of one tag. `version` changes with the content."""

    def __init__(self) -> None:
        super().__init__(_Column((), np.float32))

    @property
    def values(self) -> npt.NDArray[np.float32]:
        """Values, float32 [n]; NaN and infinities as they were logged."""
        return self._columns[2].view()

    @property
    def last(self) -> float:
        """The latest value; NaN when there is none."""
        return float(self.values[-1]) if len(self) else math.nan

    def extend(self, points: Points) -> None:
        """Appends points."""
        self._extend(points.steps, points.walls, points.values)


class HistogramSeries(_Table):
    """The histograms of one tag through time."""

    def __init__(self) -> None:
        super().__init__(_Column((BINS,), np.float32), _Column((2,), np.float64))

    @property
    def counts(self) -> npt.NDArray[np.float32]:
        """Counts in each bin, float32 [n, BINS]."""
        return self._columns[2].view()

    @property
    def mins(self) -> npt.NDArray[np.float64]:
        """Smallest values, float64 [n]."""
        return self._columns[3].view()[:, 0]

    @property
    def maxs(self) -> npt.NDArray[np.float64]:
        """Largest values, float64 [n]."""
        return self._columns[3].view()[:, 1]

    def append(self, record: HistogramRecord) -> None:
        """Appends one histogram."""
        moments = np.array([[record.min, record.max]])
        self._extend(np.array([record.step]), np.array([record.wall_time]), record.counts[None], moments)


class Store:
    """What is known of one run.

    Attributes:
        series: scalars by tag.
        histograms: histograms by tag.
        texts: text summaries by tag, tuimon's own events left out.
        events: tuimon's own events, in the order they were read.
        levers: how each lever stands now.
        launched: the supervisor's word on what it started.
        started: the training process's own; the latest one, when it was resumed.
        ended: how the training process says it ended; None while it runs, also after it was resumed.
        exited: how the supervisor says it ended.
        findings: those of `events` that are findings.
        damage: where the log cannot be read; set by the reader.
        step: the highest step seen.
        version: grows with each batch.
    """

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.histograms: dict[str, HistogramSeries] = {}
        self.texts: dict[str, list[TextRecord]] = {}
        self.events: list[EventRecord] = []
        self.findings: list[EventRecord] = []
        self.levers: dict[str, LeverInfo] = {}
        self.launched: Launched | None = None
        self.started: RunStarted | None = None
        self.ended: Ended | None = None
        self.exited: Exited | None = None
        self.damage: list[Damage] = []
        self.step = 0
        self.first_wall = math.nan
        self.last_wall = math.nan
        self.version = 0

    def __getitem__(self, tag: str) -> Series:
        """The scalars of a tag. Raises KeyError."""
        return self.series[tag]

    def __iter__(self) -> Iterator[str]:
        """The tags of the scalars."""
        return iter(self.series)

    def __contains__(self, tag: object) -> bool:
        """Whether there are scalars of that tag."""
        return tag in self.series

    def last(self, tag: str) -> float:
        """The latest value of a tag; NaN when there is none."""
        return self.series[tag].last if tag in self.series else math.nan

    def apply(self, batch: Batch) -> None:
        """Takes in what one read found. Events come first: where a run was resumed decides what its scalars follow on."""
        if not batch:
            return
        for record in batch.events:
            self._see(record.step, record.wall_time)
            self._apply_event(record)
        for tag, points in batch.scalars.items():
            self.series.setdefault(tag, Series()).extend(points)
            self._see(int(points.steps[-1]), float(points.walls[0]), float(points.walls[-1]))
        for histogram in batch.histograms:
            self.histograms.setdefault(histogram.tag, HistogramSeries()).append(histogram)
        for text in batch.texts:
            self.texts.setdefault(text.tag, []).append(text)
        self.version += 1

    def _see(self, step: int, *walls: float) -> None:
        self.step = max(self.step, step)
        self.first_wall = min(walls[0], self.first_wall) if self.first_wall == self.first_wall else walls[0]
        self.last_wall = max(walls[-1], self.last_wall) if self.last_wall == self.last_wall else walls[-1]

    def _apply_event(self, record: EventRecord) -> None:
        self.events.append(record)
        match record.event:
            case Launched() as launched:
                self.launched, self.ended, self.exited = launched, None, None
            case RunStarted() as started:
                self._restart(started)
            case Applied() as applied if applied.lever in self.levers:
                lever = self.levers[applied.lever]
                new = {"value": applied.new, "enabled": applied.new_enabled}
                self.levers[applied.lever] = msgspec.structs.replace(lever, **new)
            case Ended() as ended:
                self.ended = ended
            case Exited() as exited:
                self.exited = exited
            case Finding():
                self.findings.append(record)

    def _restart(self, started: RunStarted) -> None:
        known, self.started, self.ended = self.started, started, None
        self.levers = {lever.name: lever for lever in started.levers}
        again = known is not None and (known.process, known.first_step) == (started.process, started.first_step)
        if not started.first_step or again:  # a run tells of itself anew whenever its model or its levers change
            return
        for table in (*self.series.values(), *self.histograms.values()):
            table.cut(started.first_step)
        self.step = min(self.step, started.first_step)
