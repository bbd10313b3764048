"""The output layer: it must be able to produce what the loss and the targets need."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from tuimon.training.checks.subject import Subject
from tuimon.training.checks.watching import activations_of
from tuimon.training.checks.words import figure
from tuimon.training.report import Line, Verdict

_EXAMPLES = 256
_REACH = {
    "relu": (0.0, torch.inf),
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "log_softmax": (-torch.inf, 0.0),
}
_OWN = {"cross_entropy": ("softmax", "sigmoid"), "bce": ("sigmoid", "softmax")}  # would be applied twice
_LINEAR = "End the model with a linear layer (model.output=linear)"


def check_output(subject: Subject) -> Iterator[Line]:
    """Checks the function that ends the model, as far as it can be seen."""
    if subject.task == "quadratic":
        return
    batch = subject.sample(_EXAMPLES)
    seen, outputs = activations_of(subject.fresh(), batch.inputs)
    kind = next((found.kind for found in reversed(seen) if found.is_output(outputs)), "") or _shows(outputs)
    number = f"{kind or 'linear'}, {figure(float(outputs.min()))} to {figure(float(outputs.max()))}"
    if not outputs.isfinite().all():
        yield Line("output layer", "fail", number, "NaN or infinite outputs before training.")
        return
    verdict, text = _misfit(subject, kind)
    yield Line("output layer", verdict, number, text or f"fits {subject.loss_name}")


def _misfit(subject: Subject, kind: str) -> tuple[Verdict, str]:
    loss = subject.loss_name
    if kind in _OWN.get(loss, ()):
        applied = "softmax" if loss == "cross_entropy" else "sigmoid"
        return "fail", f"{loss} applies {applied} itself; a {kind} before it shrinks the gradient. {_LINEAR}."
    if loss in ("cross_entropy", "bce", "hinge"):
        return _of_scores(loss, kind)
    if subject.has_classes:
        return "warn", "MSE on classes has almost no gradient where an output is most wrong. Use loss.name=cross_entropy."
    return _of_values(subject.train.targets, kind)


def _of_scores(loss: str, kind: str) -> tuple[Verdict, str]:
    if kind == "relu":
        return "fail", f"ReLU outputs no score below zero, and no gradient there. {_LINEAR}."
    if kind in ("tanh", "sigmoid", "softmax"):
        return "warn", f"{kind} limits the scores, but {loss} needs them to grow. {_LINEAR}."
    return "pass", ""


def _of_values(targets: Tensor, kind: str) -> tuple[Verdict, str]:
    low, high = _REACH.get(kind, (-torch.inf, torch.inf))
    least, most = (float(value) for value in targets.aminmax())
    if least >= low and most <= high:
        return "pass", ""
    outside = float(((targets < low) | (targets > high)).float().mean())
    reach = f"Targets range from {figure(least)} to {figure(most)}, but {kind} only outputs {low:g} to {high:g}"
    return ("fail" if outside > 0.02 else "warn"), f"{reach}. {_LINEAR}, or scale the targets."


def _shows(outputs: Tensor) -> str:
    """Guesses an output function that was not seen from its values."""
    if outputs.ndim < 2 or outputs.shape[-1] < 2:
        return ""
    if bool((outputs >= 0).all()):
        if torch.allclose(outputs.sum(-1), torch.ones((), device=outputs.device), atol=1e-4):
            return "softmax"
        return "relu" if bool(((outputs == 0).any(-1) & (outputs > 0).any(-1)).any()) else ""
    return ""
