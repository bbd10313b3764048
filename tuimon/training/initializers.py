"""Initializers: set weights and biases before training, with torch's own functions.

They change linear, convolutional and recurrent layers and attention. Normalization layers, embeddings, the slope of a PReLU and
a user's bare parameters stay as they were built.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import init
from torch.nn.modules.conv import _ConvNd

from tuimon.spec.sections import InitSpec
from tuimon.spec.spec import ModelSpec

_KINDS = (nn.Linear, nn.Bilinear, _ConvNd, nn.RNNBase, nn.RNNCellBase, nn.MultiheadAttention)


@torch.no_grad()
def initialize(model: nn.Module, spec: InitSpec, plan: ModelSpec) -> None:
    """Initializes a model's weights and biases in place.

    With `name = "default"` and `bias = "auto"` nothing changes, and no random number is drawn. The bias of the last layer, the
    output layer, is never positive.

    Args:
        model: the model.
        spec: the initializer.
        plan: gives the activation for the gain of Kaiming initialization.
    """
    layers = [module for module in model.modules() if isinstance(module, _KINDS)]
    fill = _filler(spec, plan)
    for layer in layers:
        for name, parameter in _own(layer):
            if "bias" not in name:
                fill(parameter)
            else:
                _fill_bias(parameter, spec, hidden=layer is not layers[-1])


def _own(layer: nn.Module) -> Iterator[tuple[str, nn.Parameter]]:
    return layer.named_parameters(recurse=False)


def _filler(spec: InitSpec, plan: ModelSpec) -> Callable[[Tensor], object]:
    """A function that initializes one weight in place. It never gets biases, which have one dimension."""
    match spec.name:
        case "normal":
            return lambda weight: init.normal_(weight, std=spec.std)
        case "xavier_uniform":
            return lambda weight: init.xavier_uniform_(weight, gain=spec.gain)
        case "xavier_normal":
            return lambda weight: init.xavier_normal_(weight, gain=spec.gain)
        case "kaiming_uniform" | "kaiming_normal":
            return lambda weight: _kaiming(weight, spec, plan)
        case "orthogonal":
            return lambda weight: init.orthogonal_(weight, gain=spec.gain)
        case "constant":
            return lambda weight: init.constant_(weight, spec.value)
    return lambda weight: weight


def _kaiming(weight: Tensor, spec: InitSpec, plan: ModelSpec) -> None:
    """Kaiming initialization with the gain of the model's activation: torch's gain if it knows one, otherwise ReLU's."""
    fill = init.kaiming_uniform_ if spec.name == "kaiming_uniform" else init.kaiming_normal_
    slope = {"leaky_relu": plan.slope, "prelu": 0.25}.get(plan.activation, 0.0)
    kinds = {"tanh": "tanh", "sigmoid": "sigmoid", "identity": "linear", "leaky_relu": "leaky_relu", "prelu": "leaky_relu"}
    fill(weight, a=slope, mode=spec.mode, nonlinearity=kinds.get(plan.activation, "relu"))  # type: ignore[arg-type]
    weight.mul_(spec.gain)


def _fill_bias(bias: Tensor, spec: InitSpec, *, hidden: bool) -> None:
    if spec.bias == "positive":
        bias.fill_(spec.bias_value if hidden else 0.0)
    elif spec.bias == "zero" or spec.name != "default":
        bias.zero_()
