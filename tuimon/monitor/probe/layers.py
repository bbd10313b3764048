"""A model's layers as they are watched: named modules that own parameters."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import UninitializedParameter, is_lazy

from tuimon.log.records import LayerInfo

_PARAMETRIZATIONS = ".parametrizations."
_RECTIFIERS = ("ReLU", "LeakyReLU", "PReLU", "ReLU6", "GELU", "SiLU", "Mish", "ELU", "CELU", "RReLU", "Hardswish")
_ROOT_2 = 2**0.5  # He et al., ICCV 2015
_INSIDE = ("_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module")  # what wrappers of torch's call what they wrap
_NO_ACTIVATIONS = (nn.MultiheadAttention, nn.Softmax, nn.Softmax2d, nn.Softmin, nn.LogSoftmax)
_ACTIVATIONS = tuple(kind for name in nn.modules.activation.__all__ if (kind := getattr(nn, name)) not in _NO_ACTIVATIONS)


@dataclass(frozen=True)
class Layer:
    """One layer. `parameters` are those that it owns and no layer before it does; `units` is 0 where the notion does not apply.

    `unit_dim` is the dimension of its output that counts the units, `weight_dim` that of its weight.
    """

    name: str
    module: nn.Module
    parameters: tuple[nn.Parameter, ...]
    units: int = 0
    unit_dim: int = -1
    weight_dim: int = 0

    @property
    def is_norm(self) -> bool:
        """Whether it only normalizes what the layer before it puts out."""
        return isinstance(self.module, _NormBase | nn.GroupNorm | nn.LayerNorm)

    def info(self, activation: str = "") -> LayerInfo:
        """The layer as the log tells of it."""
        return LayerInfo(
            name=self.name,
            type=type(self.module).__name__,
            parameters=sum(0 if is_lazy(p) else p.numel() for p in self.parameters),
            units=self.units,
            activation=activation,
            trainable=any(p.requires_grad for p in self.parameters),
        )


def find_layers(model: nn.Module) -> list[Layer]:
    """The layers of a model, in the order in which they were made; shared parameters belong to the first that has them."""
    seen: set[int] = set()
    owned: dict[str, tuple[nn.Module, list[nn.Parameter]]] = {}
    modules = dict(model.named_modules())
    for path, module in modules.items():
        owner = path.split(_PARAMETRIZATIONS)[0]
        for parameter in module.parameters(recurse=False):
            if id(parameter) not in seen:
                seen.add(id(parameter))
                owned.setdefault(owner, (modules[owner], []))[1].append(parameter)
            elif _has_units(module):
                owned.setdefault(owner, (modules[owner], []))
    return [_layer(_plain_name(path, model), module, tuple(own)) for path, (module, own) in owned.items()]


def is_activation(module: nn.Module) -> bool:
    """Whether a module is one of PyTorch's activation functions."""
    return isinstance(module, _ACTIVATIONS)


def following_activations(model: nn.Module) -> dict[nn.Module, str]:
    """The activation that is written after a layer in a `Sequential`, with nothing but norms between: known before training."""
    following: dict[nn.Module, str] = {}
    for sequence in model.modules():
        if not isinstance(sequence, nn.Sequential):
            continue
        waiting: list[nn.Module] = []
        for module in sequence:
            if is_activation(module):
                following |= dict.fromkeys(waiting, type(module).__name__)
                waiting = []
            elif isinstance(module, _NormBase | nn.GroupNorm | nn.LayerNorm):
                waiting.append(module)
            else:
                waiting = [module]
    return following


def gains(model: nn.Module) -> dict[nn.Module, float]:
    """By which factor each layer's weights make up for the half that a rectifier behind it takes away.

    Only where the rectifier is a module: without need, the factor would make signals grow from layer to layer.
    """
    following = following_activations(model)
    return {module: _ROOT_2 for module, name in following.items() if name in _RECTIFIERS}


def unwrapped(model: nn.Module) -> nn.Module:
    """The model inside torch's own wrappers (compiled, data parallel, sharded), which have one part and names of their own."""
    while type(model).__module__.startswith("torch."):
        inner = next((part for name, part in model.named_children() if name in ("module", *_INSIDE)), None)
        if inner is None:
            break
        model = inner
    return model


def compiled(model: nn.Module) -> bool:
    """Whether `torch.compile` has the model: hooks that come and go would have it compiled again each time."""
    return any(hasattr(m, "_orig_mod") or getattr(m, "_compiled_call_impl", None) for m in model.modules())


def _has_units(module: nn.Module) -> bool:
    return _unit_shape(module)[0] > 0


def _layer(name: str, module: nn.Module, parameters: tuple[nn.Parameter, ...]) -> Layer:
    units, unit_dim, weight_dim = _unit_shape(module)
    return Layer(name, module, parameters, units, unit_dim, weight_dim)


def _unit_shape(module: nn.Module) -> tuple[int, int, int]:
    """Units, the output's dimension that counts them, the weight's dimension that does.

    Looks into `_parameters`: asking a parametrized module for its weight would compute it, and may change it.
    """
    if isinstance(module, _ConvNd):
        return module.out_channels, -1 - len(module.kernel_size), 1 if isinstance(module, _ConvTransposeNd) else 0
    if isinstance(module, _NormBase):
        return module.num_features, 1, 0
    if isinstance(module, nn.GroupNorm):
        return module.num_channels, 1, 0
    if isinstance(module, nn.Linear | nn.Bilinear) and not isinstance(module._parameters.get("weight"), UninitializedParameter):
        return module.out_features, -1, 0
    return 0, -1, 0


def _plain_name(path: str, model: nn.Module) -> str:
    """A layer's path without the wrappers that it leads through; of data parallel's, whose name is anybody's, the outermost."""
    inner, parts = model, path.split(".")
    while parts[0] in ("module", *_INSIDE) and len(list(inner.children())) == 1 and not inner._parameters:
        inner, parts = inner.get_submodule(parts[0]), parts[1:] or [""]
    return ".".join(part for part in parts if part not in _INSIDE) or type(inner).__name__
