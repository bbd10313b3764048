"""Goes back to a checkpoint of the run while it trains: weights and the optimizer's state, not the levers or the schedule.

What lies between is lost, and the steps count on. Training thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from tuimon.log.checkpoints import best, latest
from tuimon.log.records import CheckpointSaved
from tuimon.log.settings import RefusedError
from tuimon.log.store import Store

BEST, FIRST = "best", "first"
TAKES = "nothing for the best checkpoint, first, or the name of one"
_FOLDER = "checkpoints"


def find(folder: Path, wanted: str, store: Store, now: int) -> CheckpointSaved:
    """The checkpoint that is meant.

    Args:
        folder: the run's.
        wanted: `best` or empty, `first`, or a file's name or path in the run's folder.
        store: the run's log.
        now: steps that are complete; the best is one of before, if there is one.

    Raises:
        RefusedError: there is none.
    """
    if wanted in ("", BEST, FIRST):
        saved = _there(folder, store)
        if not saved:
            raise RefusedError("this run has no checkpoint yet; `checkpoint` saves one")
        return saved[0] if wanted == FIRST else best([one for one in saved if one.step < now] or saved, store)
    name = Path(wanted).name
    if wanted not in (name, f"{_FOLDER}/{name}") or not (folder / _FOLDER / name).is_file():
        raise RefusedError(f"this run has no checkpoint {wanted!r}; allowed: {TAKES}")
    path = f"{_FOLDER}/{name}"
    known = [one for one in _there(folder, store) if one.path == path]
    return known[-1] if known else CheckpointSaved(0, path)


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
    """The checkpoints that still exist, in the order of their steps."""
    return [one for one in latest(store.events) if (folder / one.path).is_file()]
