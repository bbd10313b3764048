"""What a model says at every place of a plane, as a picture: for inputs of two numbers. Training thread, at validations.

The examples lie on it as dots, white where the model is wrong. Draws no random numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tuimon.log.pictures import Pixels
from tuimon.log.samples import COLOURS

WIDTH, HEIGHT = 72, 40  # pixels
MOST = 400  # examples on the plane
_MARGIN = 0.08  # of the examples' range, on each side
_TINT = 0.45  # of a class's colour, behind its examples

Say = Callable[[Tensor], Tensor]
Ranges = tuple[float, float, float, float]


class Plane:
    """Gathers the examples of a validation, and draws them over what the model says everywhere.

    Args:
        say: the model: inputs [N, 2] to scores of classes [N, C], or to values [N, 1].
    """

    def __init__(self, say: Say) -> None:
        self._say = say
        self._parts: list[tuple[Tensor, Tensor, Tensor]] = []
        self._count = 0

    def add(self, inputs: Tensor, targets: Tensor, outputs: Tensor) -> None:
        """Adds a batch, [B, 2], [B] or [B, 1], and what the model said of it."""
        if self._count < MOST:
            self._parts.append((inputs.detach(), targets.detach(), outputs))
            self._count += len(inputs)

    @torch.no_grad()
    def draw(self) -> tuple[Pixels, Ranges]:
        """The picture [H, W, 3], upwards as a chart is, and the ranges of the two inputs: x from, to, y from, to."""
        inputs, targets, outputs = (torch.cat(part)[:MOST] for part in zip(*self._parts, strict=True))
        low, high = inputs.amin(0), inputs.amax(0)
        edge = (high - low).clamp(min=1e-6) * _MARGIN
        low, high = low - edge, high + edge
        steps = [torch.linspace(0, 1, count, device=inputs.device) for count in (WIDTH, HEIGHT)]
        x, y = (low[axis] + (high[axis] - low[axis]) * steps[axis] for axis in range(2))
        grid = torch.stack([x.expand(HEIGHT, WIDTH), y.flip(0)[:, None].expand(HEIGHT, WIDTH)], 2).reshape(-1, 2)
        said = self._say(grid.to(inputs.dtype))
        spots = ((inputs - low) / (high - low) * torch.tensor([WIDTH - 1, HEIGHT - 1], device=inputs.device)).round().long()
        columns, rows = spots[:, 0].tolist(), (HEIGHT - 1 - spots[:, 1]).tolist()
        paint = _classes if not targets.is_floating_point() else _values
        ground, dots = paint(said, targets, outputs)
        pixels = ground.reshape(HEIGHT, WIDTH, 3)
        pixels[rows, columns] = dots
        return pixels, (float(low[0]), float(high[0]), float(low[1]), float(high[1]))


def _classes(said: Tensor, targets: Tensor, outputs: Tensor) -> tuple[Any, Any]:
    colours = np.array(COLOURS, float)
    share = _shares(said)
    used = colours[np.arange(share.shape[1]) % len(colours)]
    ground = (_TINT * share.nan_to_num().cpu().double().numpy() @ used).astype(np.uint8)
    right = (_shares(outputs).argmax(1) == targets).cpu().numpy()[:, None]
    dots = np.where(right, used[targets.cpu().numpy()], 255.0).astype(np.uint8)
    return ground, dots


def _shares(outputs: Tensor) -> Tensor:
    """The classes' shares [N, C]; a single output is the logit of the second class."""
    if outputs.shape[1] == 1:
        outputs = torch.cat([torch.zeros_like(outputs), outputs], 1)
    return outputs.softmax(1)


def _values(said: Tensor, targets: Tensor, outputs: Tensor) -> tuple[Any, Any]:
    """Dark is low and bright is high, for what is said and for the examples' own values."""
    low, high = float(targets.min()), float(targets.max())

    def grey(values: Tensor) -> Any:
        level = ((values[:, 0].nan_to_num() - low) / max(high - low, 1e-12) * 255).clamp(0, 255)
        return level.to(torch.uint8).cpu().numpy()[:, None].repeat(3, axis=1)

    return grey(said), grey(targets.reshape(len(targets), -1))
