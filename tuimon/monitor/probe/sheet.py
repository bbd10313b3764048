"""The numbers of one sample, on the host: what they say of each layer, as the log has it.

Knows no model and no device. On the thread that writes the log, one sample after the other.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.ma  # now: numpy.unique would import it on the log's thread, and a process forked meanwhile could not
from numpy.typing import NDArray

from tuimon.monitor.probe import tally
from tuimon.monitor.probe.flat import Layout
from tuimon.monitor.probe.units import SHARE

WINDOW = 4  # sampled steps in a row over which a unit must be silent to be called dead
_TABLE = ("grad_norm", "weight_norm", "update_ratio", "saturated_fraction", "dead_units", "dead_fraction")  # of the layer table
_STEADY = ("activation_min", "activation_max", "activation_mean", "activation_std")
_IN_TURN = ("negative_fraction", "unit_similarity", "identical_fraction")  # of some of the layers in each sample
_SCALARS = (*_TABLE, *_STEADY, *_IN_TURN)

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


class Products(NamedTuple):
    """Of a part of the whole gradient: its product with that of the sample before, its square, and the other's square."""

    both: float
    now: float
    before: float


class Outputs(NamedTuple):
    """Outputs of one shape that were counted together.

    Attributes:
        owners: [outputs] the layers that each counts for.
        after: whether they are activations' outputs.
        every: how many values each value stands for.
        rows: how many rows of the table each has.
        table: [outputs · rows, columns] as a tally's.
    """

    owners: list[tuple[int, ...]]
    after: list[bool]
    every: float
    rows: int = 1
    table: Array = np.zeros((0, tally.COLUMNS))


class UnitOutputs(NamedTuple):
    """What activations' outputs of one shape say of each unit.

    Attributes:
        owners: [outputs] the layer whose units they are.
        zero: [outputs, units] whether it is zero at every sample and position.
        near: [outputs, units] samples and positions near an asymptote; None where the activation has none.
        samples: samples and positions of each unit.
    """

    owners: list[int]
    zero: Array
    near: Array | None
    samples: int


class Negative(NamedTuple):
    """Of what activations got, `counts` of `seen` values are below zero; `owners` are the layers that each counts for."""

    owners: Sequence[tuple[int, ...]]
    counts: Sequence[int]
    seen: Sequence[int]


class Alike(NamedTuple):
    """Layers whose units were compared.

    Attributes:
        owners: [layers] their numbers.
        table: [layers, 2] the mean size of the cosine of two units' incoming weights; the share of units of which another has
            the same incoming weights and, where there is a gradient, the same gradient.
    """

    owners: list[int]
    table: Array


class Facts(NamedTuple):
    """Numbers that belong to no layer: `values` [tags]."""

    tags: tuple[str, ...]
    values: Array


Entry = Gradients | Weights | Products | Outputs | UnitOutputs | Negative | Alike | Facts
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
        dead: the numbers of each layer's dead units; layers that could be judged only.
    """

    table: Scalars
    steady: Scalars
    in_turn: Scalars
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
        silent, near = _by_owner(unit_outputs)
        for owner, (counts, samples) in near.items():
            put("saturated_fraction", np.array([owner]), np.array([(counts > SHARE * samples).mean()]))
        dead = self._judge(self._quiet(gradients_parts), silent)
        for owner, numbers in dead.items():
            put("dead_units", np.array([owner]), np.array([len(numbers)]))
            put("dead_fraction", np.array([owner]), np.array([len(numbers) / self._units[owner]]))
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
        histogram_tags = [self._tags["gradient"][i] for i in graded] + [self._tags["activation"][i] for i in seen]
        named = {self._names[owner]: numbers for owner, numbers in dead.items()}
        return Reading(scalars(_TABLE), steady, in_turn, histogram_tags, np.concatenate([gradients, outputs]), named)

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
