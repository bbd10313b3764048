"""Augmentation: training images moved and turned, anew in every step.

What is drawn is a function of the seed and the step alone: the global random states have no part in it, and a resumed run
draws what an unbroken one would have drawn. Images are moved as they were read and prepared after that, by the statistics of
moved images: a pixel that is nearly always empty where images stand still is not so rare any more, and would become enormous.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from tuimon.spec.data import DataSpec
from tuimon.training.data.scaling import Preparation
from tuimon.training.data.split import Vary

_ENOUGH = 20_000  # moved images to take statistics from, of a small training split
_PASSES = 8  # at most, over a very small one


@dataclass(frozen=True)
class Movement:
    """Draws how images are moved.

    Args:
        raw: images as they were read, [N, C, H, W] float32.
        spec: by how much at most.
        seed: of the draws, with the step.
    """

    raw: Tensor
    spec: DataSpec
    seed: int

    def __call__(self, indices: Tensor, step: int) -> Tensor:
        """The moved images at `indices` [B], for a step."""
        generator = torch.Generator(self.raw.device).manual_seed((self.seed * 1_000_003 + step) % 2**63)
        return moved(self.raw.index_select(0, indices), *_draw(len(indices), self.spec, generator))

    def some(self) -> Tensor:
        """Moved images to take statistics from: each of the split once, of a small one several times."""
        passes = max(1, min(_PASSES, _ENOUGH // len(self.raw)))
        indices = torch.arange(len(self.raw), device=self.raw.device)
        return torch.cat([self(indices, -1 - number) for number in range(passes)])

    def prepared(self, preparation: Preparation) -> Vary:
        """Moves, then prepares; the preparation is float32 and on the images' device."""
        return lambda indices, step: preparation(self(indices, step))


def moved(images: Tensor, pixels: Tensor, angles: Tensor) -> Tensor:
    """Images [B, C, H, W] turned counter-clockwise by `angles` [B] in radians, then moved by `pixels` [B, 2] right and down.

    What comes in from outside repeats the edge.
    """
    height, width = images.shape[-2:]
    cos, sin = angles.cos(), angles.sin()
    # grid_sample asks where each pixel comes from, in units of half the width and half the height.
    x, y = -2 * pixels[:, 0] / width, -2 * pixels[:, 1] / height
    across = torch.stack([cos, -sin * height / width, x * cos - y * sin * height / width], 1)
    down = torch.stack([sin * width / height, cos, x * sin * width / height + y * cos], 1)
    grid = functional.affine_grid(torch.stack([across, down], 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)


def _draw(count: int, spec: DataSpec, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    device = generator.device
    pixels = torch.randint(-spec.shift, spec.shift + 1, (count, 2), generator=generator, device=device)
    angles = (2 * torch.rand(count, generator=generator, device=device) - 1) * math.radians(spec.rotation)
    return pixels.float(), angles
