"""Logs of runs for the tests of the diagnosis: written by the real writer, read by the real reader."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from tuimon.base.process import this_process
from tuimon.diagnosis import diagnose
from tuimon.log.reader import read_run
from tuimon.log.records import Finding, LayerInfo, LeverInfo, RunStarted
from tuimon.log.writer import LogWriter

LAYERS = tuple(LayerInfo(name=name, type="Linear", parameters=100, units=10) for name in ("fc1", "fc2", "fc3", "fc4", "out"))
LEVERS = (
    LeverInfo(name="lr_scale", type="number", value=1.0),
    LeverInfo(name="clip_norm", type="number", value=0.0, enabled=False),
    LeverInfo(name="weight_decay", type="number", value=0.0, enabled=False, regularizer=True),
    LeverInfo(name="activation/fc1", type="choice", value="relu", choices=("relu", "leaky_relu")),
)
Values = Callable[[int], dict[str, float]]


def healthy(step: int) -> dict[str, float]:
    """A run that learns: losses fall, noisily; gradients have similar norms; few units are dead."""
    noise = random.Random(step).gauss(0, 0.05)
    norms = {f"grad_norm/{layer.name}": 0.1 + 0.01 * (step % 3) for layer in LAYERS}
    weights = {f"weight_norm/{layer.name}": 5.0 for layer in LAYERS}
    ratios = {f"update_ratio/{layer.name}": 1e-3 for layer in LAYERS}
    dead = {f"dead_fraction/{layer.name}": 0.05 for layer in LAYERS[:-1]}
    losses = {"loss/train": 2.3 * 0.98**step + 0.1 + noise, "loss/val": 2.3 * 0.98**step + 0.15}
    return {**losses, **norms, **weights, **ratios, **dead, "saturated_fraction/fc1": 0.2}


def stuck(step: int) -> dict[str, float]:
    """A run that learns nothing: its loss stays where guessing among ten classes has it."""
    noise = random.Random(step).gauss(0, 0.05)
    return {**healthy(step), "loss/train": 2.303 + noise, "loss/val": 2.31}


def write(folder: Path, values: Values, steps: int = 200, layers: tuple[LayerInfo, ...] = LAYERS) -> Path:
    """Writes a log, a record a step."""
    writer = LogWriter(folder, "run")
    writer.event(RunStarted(name="r", process=this_process(), layers=layers, levers=LEVERS, steps_per_epoch=10))
    for step in range(1, steps + 1):
        writer.scalars(step, values(step))
    writer.close()
    return folder


def findings_of(folder: Path, values: Values, steps: int = 200, layers: tuple[LayerInfo, ...] = LAYERS) -> list[Finding]:
    """Writes a log, reads it back, and diagnoses it."""
    return diagnose(read_run(write(folder, values, steps, layers)))
