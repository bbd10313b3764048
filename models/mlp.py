"""Multilayer perceptron: fully connected hidden layers of any number and width.

Layers are named fc1, fc2, ... and out; each hidden one is followed by its activation and by dropout.
"""

from __future__ import annotations

import math

from torch import nn

from tuimon.spec import Spec
from tuimon.training.parts import activation


def build(spec: Spec) -> nn.Module:
    """[B, *input_shape] → logits [B, outputs]."""
    model = nn.Sequential()
    model.add_module("flatten", nn.Flatten())
    width = math.prod(spec.data.input_shape)
    for number, units in enumerate(spec.model.hidden, start=1):
        model.add_module(f"fc{number}", nn.Linear(width, units))
        model.add_module(f"act{number}", activation(spec.model.activation))
        model.add_module(f"drop{number}", nn.Dropout(spec.model.dropout))  # also at 0: it can be raised while training
        width = units
    model.add_module("out", nn.Linear(width, spec.data.outputs))
    return model
