"""Convolutional network: 3x3 convolutions that halve the image every second time, then one linear layer.

Layers are named conv1, conv2, ... and out; each convolution is followed by its activation, dropout comes before `out`.
"""

from __future__ import annotations

import math

from torch import nn

from tuimon.spec import Spec
from tuimon.training.parts import activation


def build(spec: Spec) -> nn.Module:
    """[B, C, H, W] → logits [B, outputs]; `hidden` are the channels of the convolutions."""
    channels, *size = spec.data.input_shape
    model = nn.Sequential()
    for number, wider in enumerate(spec.model.hidden, start=1):
        model.add_module(f"conv{number}", nn.Conv2d(channels, wider, kernel_size=3, padding=1))
        model.add_module(f"act{number}", activation(spec.model.activation))
        if number % 2 == 0 and min(size) > 1:
            model.add_module(f"pool{number}", nn.MaxPool2d(2))
            size = [side // 2 for side in size]
        channels = wider
    model.add_module("flatten", nn.Flatten())
    model.add_module("drop", nn.Dropout(spec.model.dropout))  # also at 0: it can be raised while training
    model.add_module("out", nn.Linear(channels * math.prod(size), spec.data.outputs))
    return model
