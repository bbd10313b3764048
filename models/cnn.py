"""Convolutional network: 3x3 convolutions with 2x2 pooling after every second one, then one linear layer.

Layers are named conv1, conv2, ... and out. Each convolution is followed by its normalization and activation; with `residual`
its input is added (through a 1x1 convolution if the channels differ). Dropout comes before `out`.
"""

from __future__ import annotations

import math

from torch import nn

from tuimon.spec.spec import Spec
from tuimon.training.parts import Add, ResidualSequential, Skip, activation, add_output, normalization


def build(spec: Spec) -> nn.Module:
    """[B, C, H, W] → [B, outputs]; `hidden` are the channels of the convolutions."""
    plan = spec.model
    channels, *size = spec.data.input_shape
    model = ResidualSequential() if plan.residual else nn.Sequential()
    for number, wider in enumerate(plan.hidden, start=1):
        if plan.residual:
            same = channels == wider
            model.add_module(f"skip{number}", Skip(None if same else nn.Conv2d(channels, wider, kernel_size=1, bias=False)))
        bias = plan.norm != "batch"
        model.add_module(f"conv{number}", nn.Conv2d(channels, wider, kernel_size=3, padding=1, bias=bias))
        if norm := normalization(plan.norm, wider, groups=plan.groups, image=True):
            model.add_module(f"norm{number}", norm)
        model.add_module(f"act{number}", activation(plan.activation, plan.slope))
        if plan.residual:
            model.add_module(f"add{number}", Add())
        if number % 2 == 0 and min(size) > 1:
            model.add_module(f"pool{number}", nn.MaxPool2d(2))
            size = [side // 2 for side in size]
        channels = wider
    model.add_module("flatten", nn.Flatten())
    model.add_module("drop", nn.Dropout(plan.dropout))  # also at 0: it can be raised during training
    model.add_module("out", nn.Linear(channels * math.prod(size), spec.data.outputs))
    add_output(model, plan.output)
    return model
