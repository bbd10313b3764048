"""Runs for the screens: real logs by the real writer, read by the real feed."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tuimon.base.process import this_process
from tuimon.log import histogram
from tuimon.log.records import Ended, Finding, LayerInfo, LeverInfo, RunStarted
from tuimon.log.writer import LogWriter

LEVERS = (
    LeverInfo("lr_scale", "number", 1.0, 0.0),
    LeverInfo("weight_decay", "number", 0.01, 0.0, regularizer=True),
    LeverInfo("regularization", "switch", True),
    LeverInfo("paused", "switch", False),
    LeverInfo("checkpoint", "action"),
    LeverInfo("undo", "action"),
    LeverInfo("stop", "action"),
)
LAYERS = (LayerInfo("fc1", "Linear", 8320, 128, "relu"), LayerInfo("out", "Linear", 1290, 10))

MakeRun = Callable[..., Path]


@pytest.fixture
def runs_dir(tmp_path: Path) -> Path:
    """An empty folder of runs."""
    folder = tmp_path / "runs"
    folder.mkdir()
    return folder


@pytest.fixture
def make_run(runs_dir: Path) -> MakeRun:
    """Writes a run's log. Without `how` the run is live: its process is the test's own."""

    def make(
        name: str,
        how: str = "finished",
        steps: int = 40,
        levers: tuple[LeverInfo, ...] = LEVERS,
        dead: int = 0,
        own_script: bool = False,
        reason: str = "",
        spec: dict[str, Any] | None = None,
    ) -> Path:
        folder = runs_dir / name
        folder.mkdir()
        writer = LogWriter(folder, "run")
        writer.event(_started(name, levers, own_script, spec))
        for step in range(1, steps + 1):
            values = {"loss/train": 2.3 * math.exp(-step / 20), "lr": 1e-3, "throughput": 400.0}
            writer.scalars(step, values | ({"loss/val": 0.5} if step % 10 == 0 else {}))
            if step % 20 == 0:
                _sample(writer, step, dead)
        if dead:
            text = f"fc1: {dead} % of units have been dead since step 20"
            writer.event(Finding(20, "dead-units", text, "fc1", remedy={"lr_scale": 0.5}, raised=20), 20)
        if how:
            writer.event(Ended(how, reason, steps), steps)  # type: ignore[arg-type]
        writer.close()
        return folder

    return make


@pytest.fixture
def make_foreign(runs_dir: Path) -> MakeRun:
    """Writes a log that tuimon did not write: a few values per tag, and no run record."""

    def make(name: str, *tags: str) -> Path:
        folder = runs_dir / name
        folder.mkdir()
        writer = LogWriter(folder, "theirs")
        for step in range(10):
            writer.scalars(step, {tag: 1 / (step + 1) for tag in tags})
        writer.close()
        return folder

    return make


def _started(name: str, levers: tuple[LeverInfo, ...], own_script: bool, spec: dict[str, Any] | None) -> RunStarted:
    return RunStarted(
        name,
        this_process(),
        device="cpu",
        model="MLP",
        optimizer="Adam",
        layers=LAYERS,
        levers=levers,
        total_steps=80,
        steps_per_epoch=10,
        diagnosis=1,
        spec=None if own_script else spec or {"model": {"name": "mlp", "activation": "relu"}},
    )


def _sample(writer: LogWriter, step: int, dead: int) -> None:
    norms = {f"{kind}/{layer.name}": 0.01 for layer in LAYERS for kind in ("grad_norm", "weight_norm", "update_ratio")}
    units = {f"dead_fraction/{layer.name}": dead / layer.units for layer in LAYERS}
    counts = {f"dead_units/{layer.name}": float(dead) for layer in LAYERS}
    bins = {f"{kind}/{layer.name}": histogram.of([0.01, -0.02]) for layer in LAYERS for kind in ("gradient", "activation")}
    writer.sample(step, norms | units | counts, bins)
