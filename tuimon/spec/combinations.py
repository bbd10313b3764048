"""Checks the fields of a spec together: refuses combinations that cannot be trained, each in one line. Knows no torch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tuimon.base.errors import TuimonError

if TYPE_CHECKING:
    from tuimon.spec.spec import Spec

_FOR_CLASSES = ("cross_entropy", "hinge")
_LAYERED = ("mlp", "cnn")  # the models that read [model] norm, groups and residual


def check_together(spec: Spec) -> None:
    """Refuses combinations of fields that are valid one by one but not together.

    Raises:
        TuimonError: one line that names the keys.
    """
    _check_momentum(spec)
    _check_norm(spec)
    _check_schedule(spec)
    _check_layers(spec)
    if (task := known_task(spec)) is not None:
        check_loss(spec.loss.name, task)


def known_task(spec: Spec) -> str | None:
    """The task, or None if it is unknown until the data are read."""
    try:
        return spec.data.known.task
    except TuimonError:
        return None


def check_loss(loss: str, task: str) -> None:
    """Refuses a loss that does not fit the task's targets.

    Raises:
        TuimonError: names the loss and the task.
    """
    wants_classes = loss in _FOR_CLASSES or (loss == "bce" and task != "reconstruction")
    if wants_classes and task not in ("classification", "text"):
        fit = "auto, mse or bce" if task == "reconstruction" else "auto or mse"
        raise TuimonError(f"loss.name = {loss!r}: needs classes, but the task is {task}; use {fit}")
    if task == "quadratic" and loss != "auto":
        raise TuimonError(f"loss.name = {loss!r}: the quadratic model computes its own loss; use auto")


def _check_momentum(spec: Spec) -> None:
    plan = spec.optimizer
    if plan.name not in ("sgd", "gd") or not plan.nesterov:
        return
    if not plan.momentum:
        raise TuimonError("optimizer.nesterov = true: needs optimizer.momentum above 0")
    if plan.dampening:
        raise TuimonError("optimizer.nesterov = true: needs optimizer.dampening = 0")


def _check_norm(spec: Spec) -> None:
    if spec.model.name not in _LAYERED:
        return
    if spec.model.norm == "batch" and spec.data.batch_size == 1 and spec.optimizer.name != "gd":
        raise TuimonError("model.norm = 'batch': needs data.batch_size of at least 2, because one example has no variance")
    odd = next((width for width in spec.model.hidden if width % spec.model.groups), None)
    if spec.model.norm == "group" and odd is not None:
        raise TuimonError(f"model.groups = {spec.model.groups}: must divide every width in model.hidden, also {odd}")


def _check_layers(spec: Spec) -> None:
    """What a built-in model needs of its layers; its file checks the same for callers without a whole spec."""
    plan = spec.model
    if plan.name == "autoencoder" and not plan.hidden:
        raise TuimonError("model.hidden: an autoencoder needs at least one layer, which is its code")
    if plan.name == "rnn" and not plan.hidden:
        raise TuimonError("model.hidden: a recurrent network needs at least one layer")
    if plan.name == "rnn" and plan.norm == "group":
        raise TuimonError("model.norm = 'group': a recurrent network takes none, layer or batch")
    if plan.name == "rnn" and plan.cell == "rnn" and plan.activation not in ("tanh", "relu"):
        raise TuimonError(f"model.activation = {plan.activation!r}: a plain recurrent cell takes tanh or relu")
    widths = set(plan.hidden)
    if plan.name == "transformer" and (len(widths) != 1 or min(widths) % plan.heads):
        wanted = f"one or more blocks of the same width, which model.heads = {plan.heads} divides"
        raise TuimonError(f"model.hidden = {list(plan.hidden)}: a transformer needs {wanted}")


def _check_schedule(spec: Spec) -> None:
    if spec.schedule.name == "one_cycle" and spec.schedule.warmup:
        raise TuimonError("schedule.warmup: one_cycle has its own warm-up; set schedule.peak and schedule.start instead")
