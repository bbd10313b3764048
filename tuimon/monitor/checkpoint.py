"""The checkpoints of a script that brings none of its own: saved when asked for, and gone back to. Training thread."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from tuimon.log.reader import read_run
from tuimon.log.records import CheckpointSaved
from tuimon.log.settings import RefusedError
from tuimon.log.writer import LogWriter
from tuimon.monitor import describe
from tuimon.monitor.levers import rewinding


class Checkpoints:
    """The run's checkpoints.

    Args:
        writer: of the run's log.
        model: whose weights they hold.
        optimizer: whose state they hold.
    """

    def __init__(self, writer: LogWriter, model: nn.Module, optimizer: Optimizer) -> None:
        self._writer, self._model, self._optimizer = writer, model, optimizer

    def save(self, step: int, monitor: dict[str, Any]) -> str:
        """Saves one and logs it; returns its path in the run's folder.

        Raises:
            RefusedError: the weights can only be had by all processes together.
        """
        path = save_checkpoint(self._writer.folder, step, self._model, self._optimizer, monitor)
        self._writer.event(CheckpointSaved(step=step, path=path, reason="asked"), step)
        return path

    def find(self, name: str, step: int) -> CheckpointSaved:
        """The one that is meant by a name, `best`, `first` or nothing, at a step.

        Raises:
            RefusedError: there is none.
        """
        self._writer.flush()
        return rewinding.find(self._writer.folder, name, read_run(self._writer.folder), step)

    def restore(self, saved: CheckpointSaved) -> None:
        """Puts its weights and state into model and optimizer.

        Raises:
            RefusedError: it does not fit; nothing has changed then.
        """
        rewinding.restore(self._writer.folder / saved.path, self._model, self._optimizer)


def save_checkpoint(folder: Path, step: int, model: nn.Module, optimizer: Optimizer, monitor: dict[str, Any]) -> str:
    """Writes `checkpoints/step-N.pt` whole or not at all; it loads with `weights_only=True`.

    Returns:
        The file's path, relative to the run's folder.

    Raises:
        RefusedError: the weights can only be had by all processes together.
    """
    _check_alone(model)
    path = folder / "checkpoints" / f"step-{step}.pt"
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    try:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "monitor": monitor}, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return str(path.relative_to(folder))


def _check_alone(model: nn.Module) -> None:
    """One process is asked: where FSDP gathers the weights, it would wait for the others, or take what is their training's."""
    fsdp = sys.modules.get("torch.distributed.fsdp")
    if fsdp is None or describe.processes_together() == 1:
        return
    if any(isinstance(module, fsdp.FullyShardedDataParallel) for module in model.modules()):
        raise RefusedError("FSDP gathers the weights from all processes; save them in each with a handler: monitor.on(…)")
