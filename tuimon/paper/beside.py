"""What a fork's change did, against the run that goes on from the same step without it: its twin, else its parent.

Reads the folder beside the fork's, and none that a log names elsewhere.
"""

from __future__ import annotations

from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.format import count
from tuimon.diagnosis.proof import twins
from tuimon.log.reader import read_run
from tuimon.log.records import Forked
from tuimon.log.store import Store

TWIN = "-twin"  # what the name of the unchanged run ends with


def against_unchanged(run: Path, store: Store) -> str:
    """The verdict and its grounds, with the run that it is against; empty where there is none, or too little of it."""
    forked = store.forked
    if forked is None or run.name.endswith(TWIN):
        return ""
    for folder in (run.with_name(run.name + TWIN), run.with_name(Path(forked.path).name)):
        other = _unchanged(folder, forked)
        if other is None:
            continue
        verdict = twins(store, other, forked.step)
        if verdict.difference.verdict != "too early to say":
            return f"{verdict.text}; without the change: {folder.name}, from step {count(forked.step)} on"
    return ""


def _unchanged(folder: Path, forked: Forked) -> Store | None:
    """The run in a folder, if it is the fork's parent, or was forked from where the fork was."""
    try:
        other = read_run(folder)
    except TuimonError:
        return None
    if folder.name.endswith(TWIN):
        alike = other.forked is not None and (other.forked.path, other.forked.step) == (forked.path, forked.step)
        return other if alike else None
    return other if folder.name == Path(forked.path).name else None
