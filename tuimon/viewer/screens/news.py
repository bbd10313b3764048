"""Which panels of a run have something to show, which lays its screen out. Costly parts are read again when they change."""

from __future__ import annotations

from collections.abc import Hashable

from tuimon.launcher.runs.failure import FAILED
from tuimon.viewer.opened import UNREAD, OpenRun, findings_in
from tuimon.viewer.screens.arrangement import MOST_FAILURE_ROWS, News
from tuimon.viewer.widgets.chart_groups import SYSTEM, grouped
from tuimon.viewer.widgets.facts import gpus, layer_names
from tuimon.viewer.widgets.meters import HOST_TAGS

_UNREAD = News(layers=3, levers=7, events=1)  # what a live run usually has
_FINDING_WIDTH = 36
_GPU_ROWS = 3


class NewsOf:
    """Which panels of one run have something to show."""

    def __init__(self, run: OpenRun) -> None:
        self._run = run
        self.failure_rows = MOST_FAILURE_ROWS  # as its panel takes; known once that has read it
        self._counted: tuple[Hashable, int, int] = (None, 0, 0)

    def now(self) -> News:
        """The state of the store. Nearly free while no tag is added."""
        store, status = self._run.store, self._run.status
        if not store.version:
            return _UNREAD
        layers, charts = self._counts()
        found = findings_in(self._run.diagnosed().findings)
        return News(
            live=status.live or status == UNREAD,
            layers=layers,
            charts=charts,
            levers=len(store.levers),
            findings=sum(2 + len(finding.text) // _FINDING_WIDTH for finding in found),
            gpu=_GPU_ROWS * len(gpus(store)),
            host=any(tag in store for tag in HOST_TAGS),
            events=len(store.events) + len(store.problems()),
            output=store.launched is not None,
            failed=status.state in FAILED,
            failure_rows=self.failure_rows,
        )

    def _counts(self) -> tuple[int, int]:
        """Layers, and charts besides the big one."""
        store = self._run.store
        key = (id(store.started), len(store.series), len(store.histograms))
        if key != self._counted[0]:
            names = layer_names(store)
            charts = grouped([tag for tag in store.series if not tag.startswith(SYSTEM)], names)
            self._counted = (key, len(names), max(len(charts) - 1, 0))
        return self._counted[1:]
