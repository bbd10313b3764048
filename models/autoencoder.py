"""Autoencoder: an encoder that compresses the inputs to a code, and a decoder that reconstructs them.

The encoder's layers have the names of an MLP with the same `hidden` (fc1, act1, drop1, …; the last is the code), so that a
classifier can start from them. The decoder mirrors it: dec1, dec_act1, … and reconstruction. For a sparse code, set
regularization.sparsity, and set regularization.sparsity_layers to the code's activation: act2 if there are two layers.
"""

from __future__ import annotations

import math

from torch import nn

from tuimon.base.errors import TuimonError
from tuimon.spec.spec import Spec
from tuimon.training.parts import activation


def build(spec: Spec) -> nn.Module:
    """[B, *input_shape] → [B, outputs], one output per input; `hidden` are the encoder's widths, the last the code's."""
    plan = spec.model
    if not plan.hidden:
        raise TuimonError("model.hidden: an autoencoder needs at least one layer, which is its code")
    model = nn.Sequential()
    model.add_module("flatten", nn.Flatten())
    width = math.prod(spec.data.input_shape)
    for number, units in enumerate(plan.hidden, start=1):
        model.add_module(f"fc{number}", nn.Linear(width, units))
        model.add_module(f"act{number}", activation(plan.activation, plan.slope))
        model.add_module(f"drop{number}", nn.Dropout(plan.dropout))
        width = units
    for number, units in enumerate(reversed(plan.hidden[:-1]), start=1):
        model.add_module(f"dec{number}", nn.Linear(width, units))
        model.add_module(f"dec_act{number}", activation(plan.activation, plan.slope))
        width = units
    model.add_module("reconstruction", nn.Linear(width, spec.data.outputs))
    return model
