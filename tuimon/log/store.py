"""Everything known about one run: the contents of its log, merged.

The live screen, the headless printer, the diagnosis and `tuimon.read_run` each hold one. It is given batches and
never reads anything itself. Not thread-safe: it belongs to the thread that applies the batches.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

import msgspec

from tuimon.log.batch import Batch, EventRecord, PictureRecord, Points, TextRecord
from tuimon.log.records import Applied, Ended, Exited, Finding, Forked, Launched, LeverInfo, RunStarted
from tuimon.log.series import HistogramSeries, Series, in_force
from tuimon.log.walls import is_time, plausible

if TYPE_CHECKING:
    from tuimon.log.files import Damage

_IN_TIME = "system/"  # tuimon's meters also log during a long step, so several of their points may have the same step
_MOST_PICTURES = 256  # of one tag
_NAMED = 3  # tags in a line about what they hold


LAYER_TAGS = ("grad_norm/", "weight_norm/")  # that every sample of the layers has
STALE_S = 5.0  # layer statistics that are older than this say how old they are


class Store:
    """What is known about one run.

    Attributes:
        series: scalars by tag.
        histograms: histograms by tag.
        texts: text summaries by tag, without tuimon's own events.
        pictures: tuimon's own pictures by tag, the latest of each.
        events: tuimon's own events, in the order they were read.
        levers: the current setting of each lever.
        launched: what the supervisor started.
        started: the training process's description of itself; the latest one if it was resumed.
        ended: how the training process says it ended; None while it runs, also after it was resumed.
        exited: how it ended according to the supervisor.
        forked: the run that it goes on from; None for one that began by itself.
        findings: the findings among `events`.
        unshown: tags with values that tuimon cannot show, and what those values are.
        damage: where the log cannot be read; set by the reader.
        step: the largest step logged; for a resumed run of tuimon, since it was resumed.
        first_wall: the time of the first record, in seconds since the epoch; NaN if no record has a valid time (see `walls`).
        last_wall: the time of the latest record.
        version: increases with each batch.
    """

    def __init__(self) -> None:
        self.series: dict[str, Series] = {}
        self.histograms: dict[str, HistogramSeries] = {}
        self.texts: dict[str, list[TextRecord]] = {}
        self.pictures: dict[str, list[PictureRecord]] = {}
        self.events: list[EventRecord] = []
        self.findings: list[EventRecord] = []
        self.levers: dict[str, LeverInfo] = {}
        self.launched: Launched | None = None
        self.started: RunStarted | None = None
        self.ended: Ended | None = None
        self.exited: Exited | None = None
        self.forked: Forked | None = None
        self.unshown: dict[str, str] = {}
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

    def problems(self) -> list[str]:
        """The parts of the log that cannot be read or shown, one line each."""
        return problems_of(self.damage, self.unshown)

    def last(self, tag: str) -> float:
        """The latest value of a tag; NaN when there is none."""
        return self.series[tag].last if tag in self.series else math.nan

    def layers_age_s(self) -> float:
        """How much older the latest sample of the layers is than the latest record, in seconds; NaN without a sample."""
        norms = next((series for tag, series in self.series.items() if tag.startswith(LAYER_TAGS) and len(series)), None)
        return math.nan if norms is None else self.last_wall - float(norms.walls[-1])

    def apply(self, batch: Batch) -> None:
        """Adds a batch. Its events come first, because they say from which step a resumed run continues."""
        if not batch:
            return
        for record in batch.events:
            self._see(record.step, record.wall_time)
            self._apply_event(record)
        self._apply_scalars(batch.scalars)
        for histogram in batch.histograms:
            self.histograms.setdefault(histogram.tag, HistogramSeries()).append(histogram)
        for text in batch.texts:
            self._apply_text(text)
        for picture in batch.pictures:
            self._apply_picture(picture)
        self.unshown.update(batch.unshown)
        self.version += 1

    def _apply_scalars(self, scalars: Mapping[str, Points]) -> None:
        steps = kept = None
        own = self.started is not None or self.launched is not None
        for tag, points in scalars.items():
            if points.steps is not steps:  # tags that were written together share their arrays
                steps, kept = points.steps, in_force(points.steps)
                self._see_points(points)
            in_time = own and tag.startswith(_IN_TIME)
            self.series.setdefault(tag, Series()).extend(points, None if in_time else kept, replaces=not in_time)

    def _apply_text(self, text: TextRecord) -> None:
        """Appends a text, replacing those at and after its step. Texts under tuimon's own tags are all kept."""
        texts = self.texts.setdefault(text.tag, [])
        while texts and texts[-1].step >= text.step and not text.tag.startswith("tuimon/"):
            texts.pop()
        texts.append(text)

    def _apply_picture(self, picture: PictureRecord) -> None:
        """Appends a picture, replacing those at and after its step."""
        pictures = self.pictures.setdefault(picture.tag, [])
        while pictures and (pictures[-1].step >= picture.step or len(pictures) >= _MOST_PICTURES):
            pictures.pop(-1 if pictures[-1].step >= picture.step else 0)
        pictures.append(picture)

    def _see_points(self, points: Points) -> None:
        times = plausible(points.walls)
        self.step = max(self.step, int(points.steps.max()))
        if len(times):
            self._see_times(float(times[0]), float(times[-1]))

    def _see(self, step: int, wall: float) -> None:
        self.step = max(self.step, step)
        if is_time(wall):
            self._see_times(wall, wall)

    def _see_times(self, first: float, last: float) -> None:
        self.first_wall = first if math.isnan(self.first_wall) else min(first, self.first_wall)
        self.last_wall = last if math.isnan(self.last_wall) else max(last, self.last_wall)

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
            case Forked() as forked:
                self.forked = forked
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


def problems_of(damage: Iterable[Damage], unshown: Mapping[str, str]) -> list[str]:
    """The parts of a log that cannot be read or shown, one line each; `unshown` as in `Store`."""
    kinds: dict[str, list[str]] = {}
    for tag, kind in unshown.items():
        kinds.setdefault(kind, []).append(tag)
    return [*map(str, damage), *(_not_shown(kind, tags) for kind, tags in kinds.items())]


def _not_shown(kind: str, tags: list[str]) -> str:
    named = ", ".join(tags[:_NAMED]) + (f" and {len(tags) - _NAMED} more" if len(tags) > _NAMED else "")
    return f"not shown: {kind}, in {named}"
