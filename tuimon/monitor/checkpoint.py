"""The checkpoint that a script gets which brings none of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer


def save_checkpoint(folder: Path, step: int, model: nn.Module, optimizer: Optimizer, monitor: dict[str, Any]) -> str:
    """Writes `checkpoints/step-N.pt` whole or not at all; it loads with `weights_only=True`.

    Returns:
        The file's path, relative to the run's folder.
    """
    path = folder / "checkpoints" / f"step-{step}.pt"
    path.parent.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    try:
        torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "monitor": monitor}, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return str(path.relative_to(folder))
