"""How long a training will take, from runs of the same model on the same data. Pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from tuimon.base import format
from tuimon.launcher.runs.configuration import flat, shown
from tuimon.launcher.runs.summary import RunSummary
from tuimon.spec.spec import Spec

_SAME = ("model.", "data.")  # what decides how long a step takes, and how many an epoch has
_FREE = ("model.dropout", "model.activation", "data.seed")
_DEVICE = "training.device"
_MOST = 5  # of the newest runs


class Estimate(NamedTuple):
    """A duration, and the runs that it is taken from, newest first."""

    seconds: float
    runs: tuple[str, ...]

    @property
    def text(self) -> str:
        """In a few words: `about 1:20, as digits-mlp-03 and 2 others`."""
        others = f" and {len(self.runs) - 1} other{'s' if len(self.runs) > 2 else ''}" if len(self.runs) > 1 else ""
        return f"about {format.duration(self.seconds)}, as {self.runs[0]}{others}"


def estimate(spec: Spec, runs: Iterable[RunSummary]) -> Estimate | None:
    """How long a spec will train.

    Args:
        spec: what is to be trained.
        runs: runs that were trained before, newest first.

    Returns:
        The median of the newest that had the same model, data, batch size and device; None if there is none.
    """
    settings = flat(msgspec.to_builtins(spec))
    alike = [run for run in runs if _is_alike(settings, run)][:_MOST]
    times = [seconds for run in alike if (seconds := _seconds(spec, run)) is not None]
    return Estimate(statistics.median(times), tuple(run.name for run in alike)) if times else None


def _is_alike(settings: Mapping[str, Any], run: RunSummary) -> bool:
    """Whether its steps and epochs are as long as those of the settings."""
    if not run.config or _seconds_per_step(run) is None:
        return False
    keys = [key for key in settings if key.startswith(_SAME) and key not in _FREE]
    wanted = settings.get(_DEVICE)
    on_same = wanted in ("auto", run.config.get(_DEVICE), run.device)
    return on_same and all(key in run.config and shown(run.config[key]) == shown(settings[key]) for key in keys)


def _seconds(spec: Spec, run: RunSummary) -> float | None:
    """Of all steps of a spec, at the pace of a run like it."""
    each = _seconds_per_step(run)
    if spec.training.steps:
        steps: int | None = spec.training.steps
    else:
        steps = spec.training.epochs * run.steps_per_epoch if run.steps_per_epoch else None
    return None if each is None or steps is None else each * steps


def _seconds_per_step(run: RunSummary) -> float | None:
    """With its validations, if it ran through; else as its steps alone took."""
    whole = run.last_wall - run.first_wall
    if run.status.state == "finished" and run.step and math.isfinite(whole) and whole > 0:
        return whole / run.step
    return 1 / run.steps_per_second if run.steps_per_second > 0 else None
