"""The checkpoint that a script gets which brings none of its own."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from tuimon.log.settings import RefusedError
from tuimon.monitor import describe


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
