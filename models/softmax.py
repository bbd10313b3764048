"""Softmax regression: one linear layer from the inputs to the classes.

The loss applies the softmax, so the outputs are logits.
"""

from __future__ import annotations

import math
from collections import OrderedDict

from torch import nn

from tuimon.spec.spec import Spec


def build(spec: Spec) -> nn.Module:
    """[B, *input_shape] → logits [B, outputs]."""
    inputs = math.prod(spec.data.input_shape)
    return nn.Sequential(OrderedDict(flatten=nn.Flatten(), out=nn.Linear(inputs, spec.data.outputs)))
