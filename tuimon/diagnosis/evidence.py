"""What has been logged of a run so far, as far as the rules need it: traces, panels of layer statistics, layers and levers.

Bounded: it does not grow with the log. Knows no rule. Not thread-safe.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import numpy as np

from tuimon.diagnosis.panel import Panel
from tuimon.diagnosis.trace import Floats, Steps, Trace
from tuimon.log.batch import EventRecord
from tuimon.log.records import Applied, CheckpointSaved, LayerInfo, LeverInfo, RunStarted

LOSS, VALIDATION = "loss/train", "loss/val"
LAYER_KINDS = frozenset((
    "grad_norm", "weight_norm", "update_ratio", "activation_min", "activation_max", "activation_mean", "activation_std",
    "negative_fraction", "saturated_fraction", "dead_fraction", "unit_similarity", "identical_fraction", "grad_missing",
))  # fmt: skip
SAMPLED = ("weight_norm", "grad_norm")  # kinds that every sample of the layers has
_OTHER_LAYER_TAGS = ("dead_units/", "gradient/", "activation/")
_MOST_TRACES = 256  # scalars that are remembered, whatever a script logs
_MOST_LAYERS = 4096

_EMPTY = Panel(0)


class Evidence:
    """The bounded memory of one training process's log.

    Attributes:
        traces: scalars of the whole model, by tag.
        panels: layer statistics, by kind.
        names: the layers' names: the columns of each panel.
        started: the run's description of itself; None in logs of other programs.
        levers: the current setting of each lever.
        applied: the latest change of each lever.
        checkpoint, first_checkpoint: the steps of the latest and of the first checkpoint; None if there is none.
        step: the largest step so far.
        of_layers: what measures keep that depends on `infos` alone, by a name of theirs; columns, say. Empty when these change.
    """

    def __init__(self) -> None:
        self.traces: dict[str, Trace] = {}
        self.panels: dict[str, Panel] = {}
        self.names: list[str] = []
        self.infos: list[LayerInfo | None] = []
        self.started: RunStarted | None = None
        self.levers: dict[str, LeverInfo] = {}
        self.applied: dict[str, Applied] = {}
        self.checkpoint: int | None = None
        self.first_checkpoint: int | None = None
        self.step = 0
        self.of_layers: dict[str, list[int]] = {}
        self._columns: dict[str, int] = {}
        self._stale_loss = False

    def panel(self, kind: str) -> Panel:
        """The samples of one kind; an empty panel if there are none."""
        return self.panels.get(kind, _EMPTY)

    @property
    def length(self) -> int:
        """How long the run is: its losses so far; where none are logged, its samples of the layers."""
        loss = self.traces.get(LOSS)
        return loss.count if loss else max((panel.count for panel in self.panels.values()), default=0)

    @property
    def first_step(self) -> int:
        """The step of the first loss that is still at hand; 0 without one."""
        loss = self.traces.get(LOSS)
        return int(loss.recent_steps[0]) if loss and loss.count == len(loss.recent) else 1

    def trace(self, tag: str) -> Trace | None:
        """A scalar's trace; None if it was not logged."""
        return self.traces.get(tag)

    def last(self, tag: str) -> float:
        """A scalar's latest value; NaN if it was not logged."""
        trace = self.traces.get(tag)
        return trace.last if trace else float("nan")

    def apply(self, event: EventRecord) -> None:
        """Takes in a structured record."""
        self.step = max(self.step, event.step)
        match event.event:
            case RunStarted() as started:
                self._describe(started)
            case Applied() as applied:
                self.applied[applied.lever] = applied
                if lever := self.levers.get(applied.lever):
                    changed = {"value": applied.new, "enabled": applied.new_enabled}
                    self.levers[applied.lever] = msgspec.structs.replace(lever, **changed)
            case CheckpointSaved() as saved:
                self.checkpoint = saved.step
                if self.first_checkpoint is None:
                    self.first_checkpoint = saved.step

    def rewound(self, mid_step: bool) -> Evidence:
        """What is left where a run goes back to a checkpoint: what it is and has, but not what was measured of lost weights.

        Args:
            mid_step: whether that was within a step: its loss, which comes still, is of those, too.
        """
        fresh = Evidence()
        fresh._stale_loss = mid_step
        fresh.names, fresh.infos, fresh._columns = list(self.names), list(self.infos), dict(self._columns)
        fresh.started, fresh.levers, fresh.applied = self.started, dict(self.levers), dict(self.applied)
        fresh.checkpoint, fresh.first_checkpoint, fresh.step = self.checkpoint, self.first_checkpoint, self.step
        return fresh

    def _describe(self, started: RunStarted) -> None:
        self.started = started
        self.of_layers.clear()
        self.levers = {lever.name: lever for lever in started.levers}
        names = [layer.name for layer in started.layers]
        if names[: len(self.names)] != self.names:  # other layers than those that were measured so far
            self.names, self._columns, self.panels, self.infos = [], {}, {}, []
        for name in names:
            self.column(name)
        for layer in started.layers[:_MOST_LAYERS]:
            self.infos[self._columns[layer.name]] = layer

    def column(self, layer: str) -> int:
        """The column of a layer; of one that nobody has described, the next free one. -1 beyond the most that are kept."""
        found = self._columns.get(layer)
        if found is None:
            if len(self.names) >= _MOST_LAYERS:
                return -1
            found = self._columns[layer] = len(self.names)
            self.names.append(layer)
            self.infos.append(None)
            self.of_layers.clear()
            for panel in self.panels.values():
                panel.widen(len(self.names))
        return found

    def extend(self, tag: str, steps: Steps, values: Floats, walls: Floats) -> None:
        """Takes in scalars of the whole model, [n] each."""
        if tag == LOSS and self._stale_loss:
            self._stale_loss = False
            steps, values, walls = steps[1:], values[1:], walls[1:]
            if not len(steps):
                return
        trace = self.traces.get(tag)
        if trace is None:
            if len(self.traces) >= _MOST_TRACES:
                return
            trace = self.traces[tag] = Trace()
        trace.extend(steps, values, walls)
        self.step = max(self.step, int(steps[-1]))

    def sample(self, kind: str, steps: Steps, rows: Floats) -> None:
        """Takes in layer statistics: `rows` is [n, columns], with a column for each layer known by now."""
        panel = self.panels.get(kind)
        if panel is None:
            panel = self.panels[kind] = Panel(len(self.names))
        missing = len(self.names) - rows.shape[1]
        if missing:
            rows = np.concatenate([rows, np.full((len(rows), missing), np.nan)], axis=1)
        panel.extend(steps, rows)
        self.step = max(self.step, int(steps[-1]))


def split_tag(tag: str) -> tuple[str, str]:
    """A layer's tag as kind and layer; ("", tag) if it is no layer's."""
    kind, slash, layer = tag.partition("/")
    return (kind, layer) if slash and kind in LAYER_KINDS else ("", tag)


def is_kept(tag: str) -> bool:
    """Whether a scalar is of use to a rule."""
    return not tag.startswith(_OTHER_LAYER_TAGS)


def columns_of(evidence: Evidence, tags: Mapping[str, object]) -> dict[str, list[tuple[str, int]]]:
    """Of the layer tags among `tags`: by kind, the tags with their columns."""
    found: dict[str, list[tuple[str, int]]] = {}
    for tag in tags:
        kind, layer = split_tag(tag)
        if kind and (column := evidence.column(layer)) >= 0:
            found.setdefault(kind, []).append((tag, column))
    return found
