"""What one sample has gathered on the devices, and its way to the host: one transfer for all. Training thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
from torch import Tensor

from tuimon.monitor.probe import alike, ends, outputs, sheet
from tuimon.monitor.probe.parameters import Counted, Moved
from tuimon.monitor.probe.sheet import Array, Taken
from tuimon.monitor.probe.transfers import Transfers


@dataclass
class Gathered:
    """The tables of one sample, on their devices."""

    gradients: list[Counted] = field(default_factory=list)
    weights: list[Moved] = field(default_factory=list)
    direction: list[Tensor] = field(default_factory=list)
    alike: list[alike.Alike] = field(default_factory=list)
    outputs: list[outputs.Outputs | outputs.UnitOutputs | outputs.Negative] = field(default_factory=list)
    facts: list[ends.Facts] = field(default_factory=list)
    manner: dict[str, float] = field(default_factory=dict)  # known on the host already

    def __bool__(self) -> bool:
        return bool(self.gradients or self.weights or self.outputs or self.facts)

    def thinned(self) -> int:
        """Every how-manieth value is measured, at the most; 0 where all are."""
        layouts = [one.layout for one in self.gradients] + [one.layout for one in self.weights]
        most = max((float(layout.every.max()) for layout in layouts), default=1.0)
        return round(most) if most > 1.5 else 0

    def send(self, transfers: Transfers, arrived: Callable[[Taken], None]) -> None:
        """Brings everything to the host; `arrived` is called at once, or from a later poll."""
        transfers.send_arrays(list(self._tensors()), lambda arrays: arrived(self._taken(iter(arrays))))

    def _tensors(self) -> Iterator[Tensor]:
        for counted in self.gradients:
            yield from (counted.table, counted.zero)
        for moved in self.weights:
            yield moved.table
        for one in self.outputs:
            if isinstance(one, outputs.Outputs):
                yield one.table
            elif isinstance(one, outputs.Negative):
                yield one.counts
            else:
                yield from (one.zero,) if one.near is None else (one.zero, one.near)
        yield from self.direction
        for likeness in self.alike:
            yield likeness.table
        for facts in self.facts:
            yield facts.values

    def _taken(self, arrays: Iterator[Array]) -> Taken:
        """The same on the host; the arrays come in the order of `_tensors`."""
        gradients = [sheet.Gradients(counted.layout, next(arrays), next(arrays)) for counted in self.gradients]
        weights = [sheet.Weights(moved.layout, next(arrays)) for moved in self.weights]
        whole: list[sheet.Outputs] = []
        units: list[sheet.UnitOutputs] = []
        negative: list[sheet.Negative] = []
        for one in self.outputs:
            if isinstance(one, outputs.Outputs):
                whole.append(sheet.Outputs(one.owners, one.after, one.rows, one.every, next(arrays)))
            elif isinstance(one, outputs.Negative):
                negative.append(sheet.Negative(one.owners, next(arrays), one.samples))
            else:
                zero = next(arrays)
                units.append(sheet.UnitOutputs(one.owners, zero, None if one.near is None else next(arrays), one.samples))
        direction = [next(arrays) for _ in self.direction]
        similar = [sheet.Alike(one.owners, next(arrays)) for one in self.alike]
        facts = [sheet.Facts(one.tags, next(arrays)) for one in self.facts]
        if self.manner:
            facts.append(sheet.Facts(tuple(self.manner), np.array(list(self.manner.values()))))
        return Taken(gradients, weights, whole, units, negative, direction, similar, facts)
