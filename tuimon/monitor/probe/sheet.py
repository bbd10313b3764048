"""The numbers of one sample, on the host: what they say of each layer, as the log has it.

Knows no model and no device. On the thread that writes the log, one sample after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.ma  # now: numpy.unique would import it on the log's thread, and a process forked meanwhile could not

from tuimon.monitor.probe import tally
from tuimon.monitor.probe.entries import (
    Alike,
    Array,
    Counted,
    Entry,
    Facts,
    Gradients,
    Negative,
    Outputs,
    Products,
    UnitOutputs,
    Weights,
)
from tuimon.monitor.probe.verdicts import Verdicts

_TABLE = ("grad_norm", "weight_norm", "update_ratio", "saturated_fraction", "dead_units", "dead_fraction")  # of the layer table
_STEADY = ("activation_min", "activation_max", "activation_mean", "activation_std")
_IN_TURN = ("negative_fraction", "unit_similarity", "identical_fraction")  # of some of the layers in each sample
_OF_WEIGHTS = ("weight", "update")  # in some samples only
_HISTOGRAMS = ("gradient", "activation", *_OF_WEIGHTS)
_SCALARS = (*_TABLE, *_STEADY, *_IN_TURN)


E = TypeVar("E", bound=Entry)


class Scalars(NamedTuple):
    """`values` [tags] float64, by tag."""

    tags: list[str]
    values: Array


class Reading(NamedTuple):
    """What a sample says.

    Attributes:
        table: the numbers that the layer table shows.
        steady: others, of all layers and of the model.
        in_turn: others, of the layers whose turn it was.
        histogram_tags: [histograms] their tags.
        tables: [histograms, columns] as a tally has them.
        dead: the numbers of each layer's dead units; None where no layer was watched for a whole window.
    """

    table: Scalars
    steady: Scalars
    in_turn: Scalars
    histogram_tags: list[str]
    tables: Array
    dead: dict[str, list[int]] | None


class Sheet:
    """Reads one sample after the other of the same layers.

    Args:
        names: the layers' names.
        units: how many units each has.
        judges: the keys of the parameters whose zero gradients make a layer's units silent.
    """

    def __init__(self, names: Sequence[str], units: Sequence[int], judges: Sequence[Sequence[int]]) -> None:
        self._names, self._units = names, np.array(units)
        self._tags = {kind: [f"{kind}/{name}" for name in names] for kind in (*_SCALARS, *_HISTOGRAMS)}
        self._verdicts = Verdicts(units, judges)

    @np.errstate(all="ignore")  # what is not finite has no ratio: NaN
    def read(self, entries: Sequence[object]) -> Reading:
        """What a sample says, of `Entry`s; samples come in their order."""
        gradients_parts, unit_outputs = _of(entries, Gradients), _of(entries, UnitOutputs)
        count = len(self._names)
        values = {kind: np.full(count, np.nan) for kind in _SCALARS}
        known = {kind: np.zeros(count, dtype=bool) for kind in _SCALARS}

        def put(kind: str, owners: Array, found: Array) -> None:
            values[kind][owners], known[kind][owners] = found, True

        gradients, graded = self._whole([(g.layout.owners, tally.scaled(g.table, g.layout.every)) for g in gradients_parts])
        put("grad_norm", graded, np.where(gradients[:, tally.NANS] > 0, np.nan, np.sqrt(gradients[:, tally.SQUARES])))
        self._put_weights(_of(entries, Weights), put)
        outputs, seen = self._outputs(_of(entries, Outputs))
        for kind, found in _moments(outputs).items():
            put(kind, seen, found)
        put("negative_fraction", *_shares(_of(entries, Negative), count))
        put("saturated_fraction", *self._verdicts.saturated(unit_outputs))
        verdict = self._verdicts.judge(gradients_parts, unit_outputs)
        put("dead_units", verdict.known, verdict.dead)
        put("dead_fraction", verdict.known, verdict.dead / self._units[verdict.known])
        for alike in _of(entries, Alike):
            put("unit_similarity", np.array(alike.owners), alike.table[:, 0])
            put("identical_fraction", np.array(alike.owners), alike.table[:, 1])

        def scalars(kinds: Sequence[str], more: Sequence[Facts] = ()) -> Scalars:
            tags = [tag for kind in kinds for tag in itertools.compress(self._tags[kind], known[kind])]
            tags += [tag for facts in more for tag in facts.tags]
            return Scalars(
                tags, np.concatenate([*(values[kind][known[kind]] for kind in kinds), *(one.values for one in more)])
            )

        facts = [*_of(entries, Facts), *_cosine(_of(entries, Products))]
        steady, in_turn = scalars(_STEADY, facts), scalars(_IN_TURN)
        counted = [(gradients, graded, "gradient")] * (gradients.shape[1] == tally.COLUMNS) + [(outputs, seen, "activation")]
        counted += [(*self._counted(_of(entries, Counted), kind), kind) for kind in _OF_WEIGHTS]
        histogram_tags = [self._tags[kind][i] for _, owners, kind in counted for i in owners]
        named = {self._names[owner]: numbers for owner, numbers in verdict.named.items()} if len(verdict.known) else None
        return Reading(
            scalars(_TABLE), steady, in_turn, histogram_tags, np.concatenate([table for table, *_ in counted]), named
        )

    def _whole(self, parts: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
        """The tallies of layers by those of their parts, [layers, columns], with the layers' numbers."""
        if not parts:
            return np.zeros((0, tally.COLUMNS)), np.zeros(0, dtype=np.int64)
        owners = np.concatenate([owners for owners, _ in parts])
        there = np.unique(owners)
        return tally.merge(np.concatenate([table for _, table in parts]), np.searchsorted(there, owners), len(there)), there

    def _counted(self, counted: Sequence[Counted], kind: str) -> tuple[Array, Array]:
        """The tallies of the layers' weights or of their update."""
        parts = [one for one in counted if one.kind == kind]
        return self._whole([(one.layout.owners, tally.scaled(one.table, one.layout.every)) for one in parts])

    def _put_weights(self, weights: Sequence[Weights], put: Any) -> None:
        count = len(self._names)
        now, before, update = np.zeros(count), np.zeros(count), np.zeros(count)
        there, moved = np.zeros(count, dtype=bool), np.zeros(count, dtype=bool)
        for layout, table in weights:
            grown = table * layout.every[:, None]
            np.add.at(now, layout.owners, grown[:, 0])
            there[layout.owners] = True
            if table.shape[1] > 1:
                np.add.at(before, layout.owners, grown[:, 1])
                np.add.at(update, layout.owners, grown[:, 2])
                moved[layout.owners] = True
        put("weight_norm", np.flatnonzero(there), np.sqrt(now[there]))
        moved &= before != 0
        put("update_ratio", np.flatnonzero(moved), np.sqrt(update[moved] / before[moved]))

    def _outputs(self, outputs: Sequence[Outputs]) -> tuple[Array, Array]:
        """The tallies of layers' outputs: of their activations' where there are some, else their own."""
        found: dict[bool, list[tuple[Array, Array]]] = {False: [], True: []}
        for one in outputs:
            table = tally.scaled(one.table, np.full(len(one.table), one.every))
            for after in (False, True):
                pairs = [
                    (owner, i * one.rows + row)
                    for i, (owners, is_after) in enumerate(zip(one.owners, one.after, strict=True))
                    if is_after is after
                    for owner in owners
                    for row in range(one.rows)
                ]
                if pairs:
                    owners, rows = np.array(pairs).T
                    found[after].append((owners, table[rows]))
        (own, owners), (behind, followed) = self._whole(found[False]), self._whole(found[True])
        alone = ~np.isin(owners, followed)
        return np.concatenate([own[alone], behind]), np.concatenate([owners[alone], followed])


def _of(entries: Sequence[object], kind: type[E]) -> list[E]:
    return [entry for entry in entries if isinstance(entry, kind)]


def _moments(outputs: Array) -> dict[str, Array]:
    """Range, mean and standard deviation of what layers put out, from their tallies; NaN where they put out nothing else."""
    low, high, total, squares = (outputs[:, column] for column in (tally.LOW, tally.HIGH, tally.SUM, tally.SQUARES))
    count = outputs[:, tally.COUNTS :].sum(1)
    mean = np.where(count > 0, total / count, np.nan)
    deviation = np.sqrt(np.maximum(squares / count - mean * mean, 0.0))
    there = low <= high
    return {
        "activation_min": np.where(there, low, np.nan),
        "activation_max": np.where(there, high, np.nan),
        "activation_mean": mean,
        "activation_std": np.where(count > 0, deviation, np.nan),
    }


def _shares(negative: Sequence[Negative], layers: int) -> tuple[Array, Array]:
    """The layers whose activations were looked at; the share of negative values among those that they got."""
    below, seen = np.zeros(layers), np.zeros(layers)
    for one in negative:
        for owners, count, looked_at in zip(one.owners, one.counts, one.seen, strict=True):
            below[list(owners)] += count
            seen[list(owners)] += looked_at
    there = np.flatnonzero(seen)
    return there, below[there] / seen[there]


def _cosine(products: Sequence[Products]) -> list[Facts]:
    """The cosine of the whole gradient with that of the sample before; NaN if one of them is zero or not finite."""
    if not products:
        return []
    both, now, before = np.array(products, dtype=np.float64).sum(0)
    return [Facts(("grad_cosine",), np.array([both / np.sqrt(now * before)]))]
