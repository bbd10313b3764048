"""Augmentation: shifts and rotates training images, differently in each step.

The random draws depend on the seed and the step only, not on the global random states, so a resumed run draws the same as an
uninterrupted one. Images are moved first and scaled afterwards, with statistics of moved images: a pixel that is almost always
empty in still images would otherwise get huge values in moved ones.
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

_ENOUGH = 20_000  # moved images for the statistics of a small training split
_PASSES = 8  # at most, over a very small split


@dataclass(frozen=True)
class Movement:
    """Shifts and rotates images at random.

    Args:
        raw: unscaled images, [N, C, H, W] float32.
        spec: gives the maximum shift and rotation.
        seed: of the random draws, together with the step.
    """

    raw: Tensor
    spec: DataSpec
    seed: int

    def __call__(self, indices: Tensor, step: int) -> Tensor:
        """The moved images at `indices` [B] for a step, [B, C, H, W]."""
        generator = torch.Generator(self.raw.device).manual_seed((self.seed * 1_000_003 + step) % 2**63)
        return moved(self.raw.index_select(0, indices), *_draw(len(indices), self.spec, generator))

    def some(self) -> Tensor:
        """Moved images for statistics: each image of the split once, or several times if the split is small."""
        passes = max(1, min(_PASSES, _ENOUGH // len(self.raw)))
        indices = torch.arange(len(self.raw), device=self.raw.device)
        return torch.cat([self(indices, -1 - number) for number in range(passes)])

    def prepared(self, preparation: Preparation) -> Vary:
        """A function that moves images and then scales them; `preparation` is float32 on the images' device."""
        return lambda indices, step: preparation(self(indices, step))


def moved(images: Tensor, pixels: Tensor, angles: Tensor) -> Tensor:
    """Rotates images [B, C, H, W] counter-clockwise by `angles` [B], in radians, then shifts them by `pixels` [B, 2].

    Shifts are to the right and down. Pixels from outside the image repeat its edge.
    """
    height, width = images.shape[-2:]
    cos, sin = angles.cos(), angles.sin()
    # grid_sample wants the source of each pixel, in units of half the width and half the height.
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
