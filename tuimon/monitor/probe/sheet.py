"""The numbers of one sample, on the host: what they say of each layer, as the log has it.

Knows no model and no device. On the thread that writes the log, one sample after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuimon.monitor.probe import tally
from tuimon.monitor.probe.flat import Layout
from tuimon.monitor.probe.units import SHARE

WINDOW = 4  # sampled steps in a row over which a unit must be silent to be called dead
_SCALARS = (
    "grad_norm", "weight_norm", "update_ratio", "activation_min", "activation_max", "activation_mean", "activation_std",
    "negative_fraction", "saturated_fraction", "dead_units", "dead_fraction", "unit_similarity", "identical_fraction",
)  # fmt: skip

Array = NDArray[Any]
Flags = NDArray[np.bool_]


class Gradients(NamedTuple):
    """A chunk's gradients: `table` [parts, columns] and `zero` [rows], as a tally has them."""

    layout: Layout
    table: Array
    zero: Array


class Weights(NamedTuple):
    """A chunk's weights: `table` [parts, 1 or 3] holds squares: of the weights now; before; of the update."""

    layout: Layout
    table: Array


class Outputs(NamedTuple):
    """Outputs of one shape, each of `owners` with `rows` rows of `table` [outputs · rows, columns]."""

    owners: list[tuple[int, ...]]
    after: list[bool]
    rows: int
    every: float
    table: Array


class UnitOutputs(NamedTuple):
    """Units of one shape: `zero` and `near` [outputs, units], as `probe.outputs` tells them."""

    owners: list[int]
    zero: Array
    near: Array | None
    samples: int


class Negative(NamedTuple):
    """Of what activations of one shape got, `counts` [inputs] of `samples` values are below zero."""

    owners: list[tuple[int, ...]]
    counts: Array
    samples: int


class Alike(NamedTuple):
    """Layers whose units were compared: `table` [layers, 2] as `probe.alike` has it."""

    owners: list[int]
    table: Array


class Facts(NamedTuple):
    """Numbers that belong to no layer: `values` [tags]."""

    tags: tuple[str, ...]
    values: Array


class Taken(NamedTuple):
    """All that one sample brought to the host; `direction` holds what `Direction.take` gives."""

    gradients: list[Gradients]
    weights: list[Weights]
    outputs: list[Outputs]
    units: list[UnitOutputs]
    negative: list[Negative]
    direction: list[Array]
    alike: list[Alike]
    facts: list[Facts]


class Reading(NamedTuple):
    """What a sample says.

    Attributes:
        tags: [scalars] their tags.
        values: [scalars] float64.
        histogram_tags: [histograms] their tags.
        tables: [histograms, columns] as a tally has them.
        dead: the numbers of each layer's dead units; layers that could be judged only.
    """

    tags: list[str]
    values: Array
    histogram_tags: list[str]
    tables: Array
    dead: dict[str, list[int]]


class Sheet:
    """Reads one sample after the other of the same layers.

    Args:
        names: the layers' names.
        units: how many units each has.
        judges: the keys of the parameters whose zero gradients make a layer's units silent.
    """

    def __init__(self, names: Sequence[str], units: Sequence[int], judges: Sequence[Sequence[int]]) -> None:
        self._names, self._units, self._judges = names, units, judges
        self._tags = {kind: [f"{kind}/{name}" for name in names] for kind in (*_SCALARS, "gradient", "activation")}
        self._streaks: dict[int, tuple[Array, int]] = {}  # of each layer: how long each unit is silent; samples so far

    @np.errstate(all="ignore")  # what is not finite has no ratio: NaN
    def read(self, taken: Taken) -> Reading:
        """What a sample says; samples come in their order."""
        count = len(self._names)
        values = {kind: np.full(count, np.nan) for kind in _SCALARS}
        known = {kind: np.zeros(count, dtype=bool) for kind in _SCALARS}

        def put(kind: str, owners: Array, found: Array) -> None:
            values[kind][owners], known[kind][owners] = found, True

        gradients, graded = self._whole([(g.layout.owners, tally.scaled(g.table, g.layout.every)) for g in taken.gradients])
        put("grad_norm", graded, np.where(gradients[:, tally.NANS] > 0, np.nan, np.sqrt(gradients[:, tally.SQUARES])))
        self._put_weights(taken.weights, put)
        outputs, seen = self._outputs(taken.outputs)
        for kind, found in _moments(outputs).items():
            put(kind, seen, found)
        put("negative_fraction", *_shares(taken.negative, count))
        silent, near = _by_owner(taken.units)
        for owner, (counts, samples) in near.items():
            put("saturated_fraction", np.array([owner]), np.array([(counts > SHARE * samples).mean()]))
        dead = self._judge(self._quiet(taken.gradients), silent)
        for owner, numbers in dead.items():
            put("dead_units", np.array([owner]), np.array([len(numbers)]))
            put("dead_fraction", np.array([owner]), np.array([len(numbers) / self._units[owner]]))
        for alike in taken.alike:
            put("unit_similarity", np.array(alike.owners), alike.table[:, 0])
            put("identical_fraction", np.array(alike.owners), alike.table[:, 1])
        tags = [tag for kind in _SCALARS for tag, there in zip(self._tags[kind], known[kind].tolist(), strict=True) if there]
        histogram_tags = [self._tags["gradient"][i] for i in graded] + [self._tags["activation"][i] for i in seen]
        facts = [*taken.facts, *_cosine(taken.direction)]
        tags += [tag for some in facts for tag in some.tags]
        scalars = np.concatenate([*(values[kind][known[kind]] for kind in _SCALARS), *(some.values for some in facts)])
        named = {self._names[owner]: numbers for owner, numbers in dead.items()}
        return Reading(tags, scalars, histogram_tags, np.concatenate([gradients, outputs]), named)

    def _whole(self, parts: Sequence[tuple[Array, Array]]) -> tuple[Array, Array]:
        """The tallies of layers by those of their parts, [layers, columns], with the layers' numbers."""
        if not parts:
            return np.zeros((0, tally.COLUMNS)), np.zeros(0, dtype=np.int64)
        owners = np.concatenate([owners for owners, _ in parts])
        there = np.unique(owners)
        return tally.merge(np.concatenate([table for _, table in parts]), np.searchsorted(there, owners), len(there)), there

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

    def _quiet(self, gradients: Sequence[Gradients]) -> dict[int, Flags]:
        """[units] of each layer that can be judged: every parameter of the unit has exactly zero gradient."""
        by_key: dict[int, list[Flags]] = {}
        for layout, _, zero in gradients:
            ends = np.cumsum(layout.rows)
            for key, rows, end in zip(layout.keys.tolist(), layout.rows.tolist(), ends.tolist(), strict=True):
                by_key.setdefault(key, []).append(zero[end - rows : end])
        quiet: dict[int, Flags] = {}
        for owner, (keys, units) in enumerate(zip(self._judges, self._units, strict=True)):
            for key in keys:
                flags = by_key.get(key, [])
                whole = (flags[0] if len(flags) == 1 else np.concatenate(flags)) != 0 if flags else np.zeros(0, dtype=bool)
                if len(whole) == units:
                    quiet[owner] = quiet[owner] & whole if owner in quiet else whole
        return quiet

    def _judge(self, quiet: dict[int, Flags], silent: dict[int, Flags]) -> dict[int, list[int]]:
        """The dead units of each layer that was watched for a whole window."""
        dead: dict[int, list[int]] = {}
        streaks: dict[int, tuple[Array, int]] = {}
        for owner, flags in quiet.items():
            if owner in silent:
                flags = flags & silent[owner]
            streak, samples = self._streaks.get(owner, (np.zeros(len(flags), dtype=np.int64), 0))
            streaks[owner] = (streak + 1) * flags, samples + 1
            if samples + 1 >= WINDOW:
                dead[owner] = np.flatnonzero(streaks[owner][0] >= WINDOW).tolist()
        self._streaks = streaks
        return dead


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
        for owners, count in zip(one.owners, one.counts.tolist(), strict=True):
            below[list(owners)] += count
            seen[list(owners)] += one.samples
    there = np.flatnonzero(seen)
    return there, below[there] / seen[there]


def _cosine(direction: Sequence[Array]) -> list[Facts]:
    """The cosine of the whole gradient with that of the sample before; NaN if one of them is zero or not finite."""
    if not direction:
        return []
    product, now, before = np.array(direction, dtype=np.float64).sum(0).tolist()
    return [Facts(("grad_cosine",), np.array([np.float64(product) / np.sqrt(now * before)]))]


def _by_owner(units: Sequence[UnitOutputs]) -> tuple[dict[int, Flags], dict[int, tuple[Array, int]]]:
    """What all forwards of a step say together: units silent in each; how often each was near an asymptote, of how often."""
    silent: dict[int, Flags] = {}
    near: dict[int, tuple[Array, int]] = {}
    for one in units:
        for i, owner in enumerate(one.owners):
            flags = one.zero[i] != 0
            silent[owner] = silent[owner] & flags if owner in silent else flags
            if one.near is not None:
                counts, samples = near.get(owner, (0, 0))
                near[owner] = counts + one.near[i], samples + one.samples
    return silent, near
