"""Which settings a spec uses. A setting that is given but would change nothing is refused, with the reason. Knows no torch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DATASETS, FILES
from tuimon.spec.sections import OPTIMIZERS

if TYPE_CHECKING:
    from tuimon.spec.spec import Spec

# The settings that each model, schedule, initializer and loss reads, among those that not all of them do.
_MODELS: dict[str, tuple[str, ...]] = {
    "mlp": ("hidden", "activation", "slope", "norm", "groups", "residual", "output", "dropout"),
    "cnn": ("hidden", "activation", "slope", "norm", "groups", "residual", "output", "dropout"),
    "autoencoder": ("hidden", "activation", "slope", "dropout"),
    "rnn": ("hidden", "activation", "norm", "dropout", "cell"),
    "transformer": ("hidden", "activation", "slope", "dropout", "heads"),
    "softmax": (),
    "quadratic": ("options",),
    "bowl": ("options",),
}
_SCHEDULES: dict[str, tuple[str, ...]] = {
    "constant": (),
    "plateau": ("factor", "patience", "last"),
    "inverse": ("decay",),
    "step": ("factor", "every"),
    "cosine": ("last",),
    "one_cycle": ("last", "peak", "start"),
}
_INITS: dict[str, tuple[str, ...]] = {
    "default": (),
    "normal": ("std",),
    "xavier_uniform": ("gain",),
    "xavier_normal": ("gain",),
    "kaiming_uniform": ("gain", "mode"),
    "kaiming_normal": ("gain", "mode"),
    "orthogonal": ("gain",),
    "constant": ("value",),
}
_LOSSES: dict[str, tuple[str, ...]] = {
    "auto": ("label_smoothing",),
    "cross_entropy": ("label_smoothing",),
    "mse": (),
    "hinge": ("margin",),
    "bce": (),
}
_PUBLISHED = ("mnist", "fashion_mnist", "cifar10", "california_housing")  # read from a folder
_OWN_SPLIT = ("mnist", "fashion_mnist", "cifar10")  # have a test set
# What each kind of data reads, among the settings that not all of them do.
_DATA: dict[str, tuple[str, ...]] = {
    "path": (*FILES, "text", *_PUBLISHED),
    "target": ("csv", "npz", "folder"),
    "fill": ("csv",),
    "size": ("folder",),
    "download": _PUBLISHED,
    "context": ("text",),
}
_TABLES = (".csv", ".tsv", ".txt")
_OF_EXAMPLES = (
    "train_fraction",
    "train_examples",
    "classes",
    "shuffled_labels",
    "scale",
    "shift",
    "rotation",
    "permuted",
    "val_offset",
)


def unused(spec: Spec) -> dict[str, str]:
    """The settings that the spec does not use, by key, each with the reason in one sentence."""
    return dict([*_of_optimizer(spec), *_of_model(spec), *_of_data(spec), *_of_parts(spec)])


def check_used(spec: Spec, keys: list[str]) -> None:
    """Refuses settings that were given, but that the spec does not use.

    Raises:
        TuimonError: one line that names the key, and what uses it.
    """
    reasons = unused(spec)
    for key in keys:
        if key in reasons:
            raise TuimonError(f"{key}: {reasons[key]}")


def _lacks(section: str, owner: str, plans: dict[str, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """The settings that others of a kind have, but this one does not."""
    for setting in dict.fromkeys(name for names in plans.values() for name in names):
        if setting not in plans[owner]:
            users = ", ".join(name for name, settings in plans.items() if setting in settings)
            yield f"{section}.{setting}", f"{owner} has no {setting}; it is a setting of {users}"


def _of_optimizer(spec: Spec) -> Iterator[tuple[str, str]]:
    return _lacks("optimizer", spec.optimizer.name, OPTIMIZERS)


def _of_model(spec: Spec) -> Iterator[tuple[str, str]]:
    plan = spec.model
    if plan.name not in _MODELS:  # the user's own may read anything
        return
    yield from (found for found in _lacks("model", plan.name, _MODELS) if found[0] != "model.options")
    if plan.name == "rnn" and plan.cell != "rnn":
        yield "model.activation", f"the gates of {plan.cell} have their own functions; model.cell=rnn takes tanh or relu"
    if plan.norm != "group" and "groups" in _MODELS[plan.name]:
        yield "model.groups", f"used only by model.norm=group, but it is {plan.norm}"


def _of_data(spec: Spec) -> Iterator[tuple[str, str]]:
    plan = spec.data
    for setting, users in _DATA.items():
        if plan.name not in users:
            yield f"data.{setting}", f"{plan.name} has no {setting}; it is a setting of {', '.join(users)}"
    if plan.name == "folder" and not plan.path.lower().endswith(_TABLES):
        yield (
            "data.target",
            "a folder's classes are its folders; it is a setting of a table of the pictures' names, in data.path",
        )
    if plan.name in _OWN_SPLIT:
        yield "data.val_fraction", f"{plan.name} has a test set, which is the validation split"
    if plan.name in ("text", "quadratic"):
        for setting in _OF_EXAMPLES:
            yield f"data.{setting}", f"{plan.name} does not use it; it is for tables and images"
    if plan.name == "quadratic":
        yield "data.val_fraction", "the quadratic is a function without data"
    if spec.optimizer.name == "gd":
        yield "data.batch_size", "gd uses the whole training split as one batch; use optimizer=sgd"
    if (plan.name in DATASETS and plan.known.task != "regression") or plan.name == "text":
        yield "data.target_scale", "only the targets of a regression are scaled"


def _of_parts(spec: Spec) -> Iterator[tuple[str, str]]:
    yield from _lacks("init", spec.init.name, _INITS)
    if spec.init.bias != "positive":
        yield "init.bias_value", "used only by init.bias=positive"
    yield from _lacks("loss", spec.loss.name, _LOSSES)
    for key, reason in _lacks("schedule", spec.schedule.name, _SCHEDULES):
        if key != "schedule.start" or not spec.schedule.warmup:
            yield key, reason
    if not spec.transfer.source:
        for setting in ("layers", "frozen"):
            yield f"transfer.{setting}", "used only with transfer.source"
