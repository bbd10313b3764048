"""Normalization layers by name, for fully connected layers and for convolutions."""

from __future__ import annotations

from torch import nn


def normalization(name: str, units: int, *, groups: int = 1, image: bool = False) -> nn.Module | None:
    """A normalization of a layer's outputs: [B, units], or [B, units, H, W] if `image`; None for `none`.

    `layer` normalizes each example over all units, and over all positions of an image; `group` over a group of units; `batch`
    normalizes each unit over the batch, in evaluation with running averages. The layer before `batch` needs no bias, because
    the mean is subtracted.

    Args:
        name: none, batch, layer or group.
        units: features or channels.
        groups: number of groups for `group`; must divide `units`.
        image: whether the layer is a convolution.
    """
    if name == "none":
        return None
    if name == "batch":
        return nn.BatchNorm2d(units) if image else nn.BatchNorm1d(units)
    if name == "layer":
        return nn.GroupNorm(1, units) if image else nn.LayerNorm(units)
    return nn.GroupNorm(groups, units)
