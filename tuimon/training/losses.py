"""The loss of each task, and warnings where a model's output does not fit it.

Outputs are [B, K], or [B, T, K] for text; targets are class numbers [B] or [B, T], or values of the outputs' size. Every loss
is a mean over examples and positions.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

from tuimon.spec.combinations import check_loss
from tuimon.spec.sections import LossSpec
from tuimon.training.parts.activations import output_function

if TYPE_CHECKING:
    from tuimon.spec.spec import Spec

LossFunction = Callable[[Tensor, Tensor], Tensor]
CLASS_TASKS = ("classification", "text")
_FEW_VALUES = 50  # most different values that may be class numbers


def loss_function(spec: Spec, task: str) -> LossFunction:
    """The loss as a function (outputs, targets) → scalar float tensor.

    Raises:
        TuimonError: the loss does not fit this task.
    """
    name = loss_name(spec.loss, task)
    if task != "quadratic":
        check_loss(name, task)
    if task not in CLASS_TASKS:
        return _VALUE_LOSSES[name]
    of_classes = _class_loss(name, spec.loss)
    return lambda outputs, targets: of_classes(outputs.flatten(0, -2), targets.flatten())


def each_loss_function(spec: Spec, task: str) -> LossFunction:
    """The same loss of each example by itself, as a function (outputs, targets) → [B]; of text, the mean over its positions."""
    name, margin, smoothing = loss_name(spec.loss, task), spec.loss.margin, spec.loss.label_smoothing
    each: dict[str, LossFunction] = {
        "cross_entropy": lambda o, t: functional.cross_entropy(o, t, label_smoothing=smoothing, reduction="none"),
        "hinge": lambda o, t: functional.multi_margin_loss(o, t, margin=margin, reduction="none"),
        "bce": lambda o, t: functional.binary_cross_entropy_with_logits(o, t, reduction="none"),
        "mse": lambda o, t: functional.mse_loss(o, t, reduction="none"),
        "value": lambda o, _: o,
    }

    def of_each(outputs: Tensor, targets: Tensor) -> Tensor:
        flat, wanted = outputs.flatten(0, -2), targets.reshape(outputs.shape) if task not in CLASS_TASKS else targets.flatten()
        if task in CLASS_TASKS and name in ("bce", "mse"):
            wanted = binary_targets(wanted, flat) if name == "bce" else one_hot(wanted, flat)
        return each[name](flat, wanted).reshape(len(outputs), -1).mean(1)

    return of_each


def loss_name(spec: LossSpec, task: str) -> str:
    """The name of the loss: `auto` means cross-entropy for classes, the function's value for the quadratic, otherwise MSE."""
    if spec.name != "auto":
        return spec.name
    return "cross_entropy" if task in CLASS_TASKS else "value" if task == "quadratic" else "mse"


def misfits(spec: Spec, task: str, model: nn.Module, targets: Tensor) -> list[str]:
    """Warnings, one line each, about loss, output layer and targets that do not fit: they train, but badly."""
    name, output = loss_name(spec.loss, task), output_function(model)
    found = [_twice(name, output), _on_classes(name, task, targets)]
    if name in ("mse", "bce") and task not in CLASS_TASKS and targets.numel():
        found.append(_out_of_range(name, output, float(targets.min()), float(targets.max())))
    if name == "hinge" and isinstance(output, nn.Sigmoid | nn.Softmax):
        found.append(
            f"loss hinge needs a margin of {spec.loss.margin:g}, hard to reach with outputs from 0 to 1: use output=linear"
        )
    return [text for text in found if text]


def one_hot(targets: Tensor, like: Tensor) -> Tensor:
    """Class numbers [N] as one-hot rows [N, K]."""
    return functional.one_hot(targets, like.shape[1]).to(like.dtype)


def binary_targets(targets: Tensor, outputs: Tensor) -> Tensor:
    """Targets for bce, [N, K]: the class itself if there is one output, otherwise one-hot rows."""
    return targets[:, None].to(outputs.dtype) if outputs.shape[1] == 1 else one_hot(targets, outputs)


def _class_loss(name: str, spec: LossSpec) -> LossFunction:
    match name:
        case "hinge":
            return nn.MultiMarginLoss(margin=spec.margin)
        case "bce":
            return lambda o, t: functional.binary_cross_entropy_with_logits(o, binary_targets(t, o))
        case "mse":
            return lambda o, t: functional.mse_loss(o, one_hot(t, o))
    return nn.CrossEntropyLoss(label_smoothing=spec.label_smoothing)


_VALUE_LOSSES: dict[str, LossFunction] = {
    "mse": lambda outputs, targets: functional.mse_loss(outputs, targets.reshape(outputs.shape)),
    "bce": lambda outputs, targets: functional.binary_cross_entropy_with_logits(outputs, targets.reshape(outputs.shape)),
    "value": lambda outputs, _: outputs.mean(),
}


def _twice(name: str, output: nn.Module | None) -> str:
    if name == "cross_entropy" and isinstance(output, nn.Softmax | nn.LogSoftmax | nn.Sigmoid):
        return (
            f"loss cross_entropy applies softmax itself; {type(output).__name__} before it shrinks gradients: use output=linear"
        )
    if name == "bce" and isinstance(output, nn.Sigmoid | nn.Softmax):
        return f"loss bce applies sigmoid itself; {type(output).__name__} before it shrinks gradients: use output=linear"
    if name in ("cross_entropy", "bce", "hinge") and isinstance(output, nn.ReLU):
        return f"ReLU at the output removes the negative scores that loss {name} needs: use output=linear"
    return ""


def _on_classes(name: str, task: str, targets: Tensor) -> str:
    if name == "mse" and task in CLASS_TASKS:
        return "loss mse on classes has almost no gradient where an output is most wrong: use loss.name=cross_entropy"
    if name != "mse" or task != "regression" or not targets.numel():
        return ""
    values = torch.unique(targets)
    if 2 < len(values) <= _FEW_VALUES and len(targets) >= 10 * len(values) and _evenly_spaced(values):
        return (
            f"loss mse on {len(values)} evenly spaced target values: if they are classes, their order means nothing, "
            "so use data.task=classification"
        )
    return ""


def _evenly_spaced(values: Tensor) -> bool:
    """Whether sorted values are evenly spaced or multiples of a step, like whole numbers, even after scaling."""
    gaps = values.diff()
    return torch.allclose(gaps / gaps.min(), (gaps / gaps.min()).round(), atol=1e-3)


def _out_of_range(name: str, output: nn.Module | None, least: float, most: float) -> str:
    if name == "bce" and (least < 0 or most > 1):
        return (
            f"loss bce needs targets from 0 to 1, but they range from {least:.4g} to {most:.4g}: use mse or data.scale=minmax"
        )
    low, high = _reach(output)
    if name == "mse" and (least < low or most > high):
        given = type(output).__name__
        return f"{given} at the output is limited to {low:g} to {high:g}, but targets range from {least:.4g} to {most:.4g}"
    return ""


def _reach(output: nn.Module | None) -> tuple[float, float]:
    """The range of an output function."""
    if isinstance(output, nn.Sigmoid | nn.Softmax):
        return 0.0, 1.0
    if isinstance(output, nn.Tanh):
        return -1.0, 1.0
    return (0.0 if isinstance(output, nn.ReLU) else -torch.inf), torch.inf
