"""Goes back to a checkpoint of the run while it trains: weights and the optimizer's state, not the levers or the schedule.

What lies between is lost, and the steps count on. Training thread.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import Optimizer

from tuimon.log.records import CheckpointSaved
from tuimon.log.settings import RefusedError
from tuimon.log.store import Store

BEST, FIRST = "best", "first"
TAKES = "nothing for the best checkpoint, first, or the name of one"
_FOLDER = "checkpoints"
_LOSSES = 10  # before a checkpoint, whose median judges it


def find(folder: Path, wanted: str, store: Store) -> CheckpointSaved:
    """The checkpoint that is meant.

    Args:
        folder: the run's.
        wanted: `best` or empty, `first`, or a file's name or path in the run's folder.
        store: the run's log.

    Raises:
        RefusedError: there is none.
    """
    if wanted in ("", BEST, FIRST):
        saved = _there(folder, store)
        if not saved:
            raise RefusedError("this run has no checkpoint yet; `checkpoint` saves one")
        return saved[0] if wanted == FIRST else best(saved, store)
    name = Path(wanted).name
    if wanted not in (name, f"{_FOLDER}/{name}") or not (folder / _FOLDER / name).is_file():
        raise RefusedError(f"this run has no checkpoint {wanted!r}; allowed: {TAKES}")
    path = f"{_FOLDER}/{name}"
    known = [one for one in _there(folder, store) if one.path == path]
    return known[-1] if known else CheckpointSaved(0, path)


def best(saved: Sequence[CheckpointSaved], store: Store) -> CheckpointSaved:
    """The one that training has called the best; else that of the lowest validation loss, else of the lowest training loss.

    Args:
        saved: at least one, in the order of their steps.
        store: the run's log.
    """
    if named := [one for one in saved if one.reason == "best"]:
        return named[-1]
    for tag, points in (("loss/val", 1), ("loss/train", _LOSSES)):
        scores = [_score(store, tag, one.step, points) for one in saved]
        if all(score is not None for score in scores):
            finite = [score if score is not None and math.isfinite(score) else math.inf for score in scores]
            return saved[len(saved) - 1 - int(np.argmin(finite[::-1]))]
    return saved[-1]


def restore(file: Path, model: nn.Module, optimizer: Optimizer) -> None:
    """Puts a checkpoint's weights into the model, and its state into the optimizer, whose groups keep their settings.

    Raises:
        RefusedError: the file cannot be read, or does not fit; nothing has changed then.
    """
    name = file.name
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
        weights, state = content["model"], content["optimizer"]
        sizes = [len(group["params"]) for group in state["param_groups"]]
    except Exception as error:  # torch raises many kinds of errors for files that are none of its own
        raise RefusedError(f"{name} is no checkpoint that can be read: {str(error).partition(chr(10))[0]}") from error
    here = model.state_dict()
    for key in here | weights:
        if key not in here or key not in weights or here[key].shape != weights[key].shape:
            raise RefusedError(f"{name} does not fit the model as it is now: {key} differs")
    if sizes != [len(group["params"]) for group in optimizer.param_groups]:
        raise RefusedError(f"{name} does not fit the optimizer: it has other parameters")
    model.load_state_dict(weights)
    _put_state(optimizer, state)


def _put_state(optimizer: Optimizer, saved: dict[str, Any]) -> None:
    """The state alone: rate and decay are what the script, its schedule and the levers make them now."""
    groups = optimizer.param_groups
    kept = [{**group, "params": old["params"]} for group, old in zip(groups, saved["param_groups"], strict=True)]
    try:
        optimizer.load_state_dict({"state": saved["state"], "param_groups": kept})
    finally:
        optimizer.param_groups = groups  # the very objects, which others may hold


def _there(folder: Path, store: Store) -> list[CheckpointSaved]:
    """The checkpoints that still exist, as each was saved last, in the order of their steps."""
    latest = {one.path: one for record in store.events if isinstance(one := record.event, CheckpointSaved)}
    return sorted((one for path, one in latest.items() if (folder / path).is_file()), key=lambda one: one.step)


def _score(store: Store, tag: str, step: int, points: int) -> float | None:
    """The median of the last values before a checkpoint; of one from before the first, the first. None without any."""
    series = store.series.get(tag)
    if series is None or not len(series):
        return None
    end = int(np.searchsorted(series.steps, step, side="right"))
    values = series.values[max(0, end - points) : end] if end else series.values[:1]
    return float(np.median(values))
