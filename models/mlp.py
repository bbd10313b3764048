"""Multilayer perceptron: any number of fully connected hidden layers of any width.

Layers are named fc1, fc2, ... and out. Each hidden layer is followed by its normalization, activation and dropout; with
`residual` its input is added (through a linear layer if the widths differ).
"""

from __future__ import annotations

import math

from torch import nn

from tuimon.spec.spec import Spec
from tuimon.training.parts import Add, ResidualSequential, Skip, activation, add_output, normalization


def build(spec: Spec) -> nn.Module:
    """[B, *input_shape] → [B, outputs]."""
    plan = spec.model
    model = ResidualSequential() if plan.residual else nn.Sequential()
    model.add_module("flatten", nn.Flatten())
    width = math.prod(spec.data.input_shape)
    for number, units in enumerate(plan.hidden, start=1):
        if plan.residual:
            model.add_module(f"skip{number}", Skip(None if width == units else nn.Linear(width, units, bias=False)))
        model.add_module(f"fc{number}", nn.Linear(width, units, bias=plan.norm != "batch"))
        if norm := normalization(plan.norm, units, groups=plan.groups):
            model.add_module(f"norm{number}", norm)
        model.add_module(f"act{number}", activation(plan.activation, plan.slope))
        model.add_module(f"drop{number}", nn.Dropout(plan.dropout))  # also at 0: it can be raised during training
        if plan.residual:
            model.add_module(f"add{number}", Add())
        width = units
    model.add_module("out", nn.Linear(width, spec.data.outputs))
    add_output(model, plan.output)
    return model
