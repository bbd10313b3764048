"""Runs that differ in nothing but their seed, as one: the mean and the spread of what they came to. Pure functions."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from tuimon.base import format
from tuimon.launcher.runs.configuration import shown
from tuimon.launcher.runs.summary import RunSummary

T = TypeVar("T")
_LIVELY = ("running", "paused", "starting", "queued", "failed", "killed", "lost")  # of several, the first state tells most


@dataclass(frozen=True)
class Spread:
    """A mean with the standard deviation of one run (n - 1); `std` is NaN of a single run.

    Attributes:
        count: runs that have a finite value.
    """

    mean: float
    std: float
    count: int

    def text(self, ascii: bool = False, of: int = 0) -> str:
        """`0.312 ± 0.010`; of a single value, that alone; `0.312 ± 0.010 4/5` if of five runs one has no finite value."""
        mean = format.number(self.mean)
        some = f" {self.count}/{of}" if self.count < of else ""
        return mean + ("" if math.isnan(self.std) else f" {'+-' if ascii else '±'} {format.number(self.std)}") + some


@dataclass(frozen=True)
class Group:
    """Runs of one configuration.

    Attributes:
        runs: in the order in which they were given; one alone where no other differs in its seed alone.
        seeds: how many different ones.
    """

    runs: tuple[RunSummary, ...]
    seeds: int

    @property
    def name(self) -> str:
        """The run's name; of several, what their names begin with, and a `*`."""
        if len(self.runs) == 1:
            return self.runs[0].name
        names = [run.name for run in self.runs]
        same = itertools.takewhile(lambda letters: len(set(letters)) == 1, zip(*names, strict=False))
        return "".join(letters[0] for letters in same) + "*"

    @property
    def states(self) -> str:
        """The state; of several, how many have which: `3 finished, 1 running`."""
        if len(self.runs) == 1:
            return self.runs[0].status.state
        counts = Counter(run.status.state for run in self.runs)
        return ", ".join(f"{number} {state}" for state, number in counts.most_common())


@dataclass(frozen=True)
class Folded(RunSummary):
    """Several runs that differ in their seed alone as one in a list, under the folder of the first.

    Its state is that of the run that tells most: one that trains, else one that failed. Losses are means.
    """

    members: tuple[RunSummary, ...] = ()
    seeds: int = 0
    states: str = ""
    loss_spread: Spread | None = None
    val_spread: Spread | None = None


def groups(runs: Iterable[RunSummary]) -> list[Group]:
    """Runs that differ in their seed alone together, at the place of the first; without a configuration, each is alone."""
    found = together(runs, lambda run: (f"{run.model} {run.optimizer}", run.config))
    return [Group(tuple(part), len({_seed(run.config) for run in part}) if len(part) > 1 else 1) for part in found]


def together(runs: Iterable[T], of: Callable[[T], tuple[str, Mapping[str, Any]]]) -> list[list[T]]:
    """The same of whatever stands for runs: `of` tells what is trained, and its settings, which may be empty."""
    parts: dict[object, list[T]] = {}
    for index, run in enumerate(runs):
        what, config = of(run)
        parts.setdefault((what, _settings(config)) if config else index, []).append(run)
    alike = [(part, len({_seed(of(run)[1]) for run in part}) > 1) for part in parts.values()]
    return [one for part, differ in alike for one in ([part] if differ else [[run] for run in part])]


def folded(runs: Iterable[RunSummary]) -> list[RunSummary]:
    """The runs as a list shows them: those that differ in their seed alone as one."""
    return [group.runs[0] if len(group.runs) == 1 else _fold(group) for group in groups(runs)]


def members(run: RunSummary) -> tuple[RunSummary, ...]:
    """The runs that a row of a list stands for."""
    return run.members if isinstance(run, Folded) else (run,)


def _fold(group: Group) -> Folded:
    runs = group.runs
    first, losses, vals = runs[0], spread([run.loss for run in runs]), spread([run.val_loss for run in runs])
    told = {field.name: getattr(first, field.name) for field in fields(RunSummary)}
    told |= {
        "name": f"{group.name} ({group.seeds} seeds)",
        "status": min((run.status for run in runs), key=lambda status: (*_LIVELY, status.state).index(status.state)),
        "step": max(run.step for run in runs),
        "loss": losses.mean if losses else first.loss,
        "val_loss": vals.mean if vals else first.val_loss,
        "damage": tuple(damage for run in runs for damage in run.damage),
        "tags": tuple(dict.fromkeys(tag for run in runs for tag in run.tags)),
        "last_wall": max((run.last_wall for run in runs if run.last_wall == run.last_wall), default=math.nan),
    }
    return Folded(**told, members=runs, seeds=group.seeds, states=group.states, loss_spread=losses, val_spread=vals)


def spread(values: Sequence[float | None]) -> Spread | None:
    """Of the values that are finite; None where there are none."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return None
    return Spread(statistics.fmean(known), statistics.stdev(known) if len(known) > 1 else math.nan, len(known))


def is_seed(key: str) -> bool:
    """Whether a setting is a seed."""
    return key.rpartition(".")[2] == "seed"


def _settings(config: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, shown(value)) for key, value in config.items() if not is_seed(key)))


def _seed(config: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((key, shown(value)) for key, value in config.items() if is_seed(key)))
