"""What Home shows of the selected run where there is room: its loss, and the facts for which the list has no room."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from tuimon.base import format
from tuimon.launcher.runs.configuration import short, shown
from tuimon.viewer.draw.chart import draw_chart
from tuimon.viewer.draw.curve import Curve, Options
from tuimon.viewer.draw.pyramid import Pyramid
from tuimon.viewer.draw.rows import Row, Span, cut, fit, width_of
from tuimon.viewer.widgets.drawn import Drawn

if TYPE_CHECKING:
    from tuimon.launcher.runs.summary import RunSummary

_LEAST_CHART, _FACTS = 50, 44  # cells
_NAME = 14
# of a preset's many settings, the first that one asks for
_SETTINGS = (
    "data.name", "data.batch_size", "optimizer.lr", "optimizer.momentum", "optimizer.weight_decay", "schedule.name",
    "init.name", "model.norm", "model.dropout", "training.epochs", "training.seed",
)  # fmt: skip
_LOG_FROM = 20.0  # how far the losses fall for a logarithmic axis


class RunPreview(Drawn):
    """A small loss chart and a few facts of one run. From its summary: nothing is read."""

    def __init__(self) -> None:
        super().__init__(id="run-preview", classes="panel")
        self._run: RunSummary | None = None

    def show(self, run: RunSummary | None) -> None:
        """Shows another run, or what is new of it."""
        if run != self._run:
            self._run = run
            self.entitle(run.name if run else "")
            self.redraw()

    def draw(self, width: int, height: int) -> list[Row]:
        """The chart, with facts beside it where there is room."""
        if self._run is None:
            return []
        facts = list(_facts(self._run, self.ascii)) if width >= _LEAST_CHART + _FACTS else []
        chart = _chart(self._run, width - (_FACTS if facts else 0), height, self.ascii)
        if not chart:
            return self.nothing("No loss is logged yet.", width, height)
        blank: Row = []
        beside = [[Span("  "), *row] for row in facts] + [blank] * height
        return [fit([*row, *more], width) for row, more in zip(chart, beside, strict=False)]


def _chart(run: RunSummary, width: int, height: int, ascii: bool) -> list[Row]:
    sides = (("train", run.loss_steps, run.losses), ("val", run.val_steps, run.val_losses))
    curves = [Curve(name, name, _points(steps, values)) for name, steps, values in sides if values]
    known = [value for _, _, values in sides for value in values if value > 0]
    falls = len(known) > 1 and max(known) > _LOG_FROM * min(known)
    rows = draw_chart(curves, Options(log_y=falls, note="log y" if falls else ""), width, height, ascii).rows if curves else []
    return [[*row, Span(" " * (width - width_of(row)))] for row in rows]


def _points(steps: tuple[int, ...], values: tuple[float, ...]) -> Pyramid:
    found = Pyramid()
    found.extend(np.array(steps), np.array(values, np.float32))
    return found


def _facts(run: RunSummary, ascii: bool) -> Iterator[Row]:
    """Most telling first: below, they may be cut."""
    made_of = (" - " if ascii else " · ").join(part for part in (run.model, run.activation, run.optimizer) if part)
    seconds, speed = run.last_wall - run.first_wall, run.steps_per_second
    time = "" if math.isnan(seconds) else format.duration(seconds)
    pace = "" if math.isnan(speed) else format.rate(speed)
    first = {"note": run.note, "tags": ", ".join(run.tags), "model": made_of, "device": run.device, "speed": pace, "time": time}
    settings = {key: run.config[key] for key in _SETTINGS if key in run.config} or dict(sorted(run.config.items()))
    for name, text in [*first.items(), *((short(key), shown(value)) for key, value in settings.items())]:
        if text:
            yield fit([Span(f"{cut(name, _NAME - 1, ascii):<{_NAME}}", "dim"), Span(text)], _FACTS - 2)
