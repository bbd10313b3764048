"""Normalization layers by name: torch's own, for fully connected layers and for convolutions."""

from __future__ import annotations

from torch import nn


def normalization(name: str, units: int, *, groups: int = 1, image: bool = False) -> nn.Module | None:
    """What normalizes the outputs of a layer: [B, units], or [B, units, H, W] of an `image`; None for `none`.

    `layer` normalizes each example over all its units, in an image over all positions too; `group` over a group of units;
    `batch` each unit over the batch, in evaluation by running averages. The layer before `batch` needs no bias: its mean is
    taken off again.

    Args:
        name: none, batch, layer or group.
        units: features or channels.
        groups: of `group`; must divide the units.
        image: whether it comes after a convolution.
    """
    if name == "none":
        return None
    if name == "batch":
        return nn.BatchNorm2d(units) if image else nn.BatchNorm1d(units)
    if name == "layer":
        return nn.GroupNorm(1, units) if image else nn.LayerNorm(units)
    return nn.GroupNorm(groups, units)
