"""What a filter of runs looks at: their words, and their keys with the whole configuration among them. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from tuimon.base.filter import Filter
from tuimon.launcher.runs.summary import RunSummary


def matching(runs: Iterable[RunSummary], wanted: Filter) -> list[RunSummary]:
    """The runs that a filter lets through, in order."""
    return [run for run in runs if wanted.matches(words_of(run), values_of(run))]


def words_of(run: RunSummary) -> str:
    """The words that describe a run: name, state, model, optimizer, activation, device, its tags and note."""
    own = (*run.tags, run.note)
    return " ".join((run.name, run.status.state, run.model, run.optimizer, run.activation, run.device, *own))


def values_of(run: RunSummary) -> Mapping[str, Any]:
    """A run's keys: its configuration by dotted key, and `name`, `state`, `model`, `step`, `loss`, `val_loss` and such."""
    told = {
        "name": run.name,
        "state": run.status.state,
        "model": run.model,
        "optimizer": run.optimizer,
        "activation": run.activation,
        "device": run.device,
        "step": run.step,
        "loss": run.loss,
        "val_loss": run.val_loss,
        "speed": run.steps_per_second,
        "tag": run.tags,
        "note": run.note,
    }
    return {**run.config, **told}


def value_of(run: RunSummary, key: str) -> Any:
    """One of a run's keys, a setting's also by the last part of its name (`lr`); None where it has no such key."""
    values = values_of(run)
    return values.get(key, next((value for name, value in values.items() if name.endswith(f".{key}")), None))
