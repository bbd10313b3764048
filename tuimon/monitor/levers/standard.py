"""The levers that every run has: learning rate, regularizers, clipping, pause and the actions."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Literal

from torch import nn
from torch.nn.modules.dropout import _DropoutNd
from torch.optim import Optimizer

from tuimon.base.errors import TuimonError
from tuimon.log.records import LeverInfo, LeverValue
from tuimon.log.settings import RefusedError
from tuimon.monitor.levers import rewinding
from tuimon.monitor.levers.levers import Action, Done, Lever, Levers
from tuimon.monitor.levers.scope import StepScope

_CLIPS = {
    "clip_norm": "Largest total gradient norm, applied after penalties and clip_value.",
    "clip_value": "Largest absolute value of a gradient entry, applied after penalties.",
}
_ACTIONS = {
    "checkpoint": "Saves a checkpoint now.",
    "rewind": "Goes back to a checkpoint's weights and optimizer state: to the best one's, or a named one's.",
    "stop": "Ends the run after this step.",
}
_TAKES = {"rewind": rewinding.TAKES}
_SMALLEST, _LARGEST = 1e-9, 1e9  # a positive lower bound: zero would stop training or divide by it


def declare_standard(
    levers: Levers,
    model: nn.Module,
    scope: StepScope,
    settings: Mapping[str, float],
    actions: Mapping[str, Callable[[LeverValue], Done]],
) -> None:
    """Declares the levers that this model and optimizer have. `settings` are starting values of l1, l2 and clips."""
    levers.declare(_lr_scale(scope))
    levers.declare(_lr_constant(scope))
    if any("weight_decay" in group for group in scope.optimizer.param_groups):
        levers.declare(_weight_decay(scope))
    for name in ("l1", "l2"):
        levers.declare(_penalty(name, scope, settings.get(name, 0.0)))
    if drops := [drop for module in model.modules() for drop in _drops(module)]:
        levers.declare(_dropout(drops))
    for name in ("clip_norm", "clip_value"):
        levers.declare(_clip(name, scope, settings.get(name, 0.0)))
    levers.declare(_regularization(levers))
    levers.declare(Lever(LeverInfo("paused", "switch", False, help="Pauses training between two steps."), lasting=False))
    for name, act in actions.items():
        info = LeverInfo(name, "action", help=_ACTIONS.get(name, ""), takes=_TAKES.get(name, ""))
        levers.offer(Action(info, act, at_end=name == "stop", shared=name == "rewind"))


def _regularization(levers: Levers) -> Lever:
    info = LeverInfo("regularization", "switch", True, help="Turns all regularizers off and back on; each keeps its value.")
    return Lever(info, lambda _: levers.put_regularizers(), levers.regularizer_readings, in_step=True)


def own_lever(
    name: str,
    get: Callable[[], LeverValue],
    put: Callable[[Any], None],
    low: float | None,
    high: float | None,
    choices: tuple[str, ...],
    about: str,
) -> Lever:
    """A lever of the user's own: its type is that of the value it has now."""

    def current() -> LeverValue:
        value: Any = get()
        plain: LeverValue = value.item() if hasattr(value, "item") else value  # numpy's and torch's numbers
        return plain

    def put_whole(value: Any) -> None:
        if value != int(value):
            raise RefusedError(f"{name} must be a whole number")
        put(int(value))

    value = current()
    kind: Literal["number", "switch", "choice"] = "number"
    if isinstance(value, bool):
        kind = "switch"
    elif isinstance(value, str):
        kind = "choice"
        if not choices:
            raise TuimonError(f"The lever {name!r} holds a string but has no choices.", "Give choices=(…), or a number.")
    elif not isinstance(value, int | float):
        raise TuimonError(f"The lever {name!r} holds a {type(value).__name__}.", "A lever holds a number, a bool or a string.")
    info = LeverInfo(name, kind, value, low=low, high=high, choices=choices, help=about)
    whole = put_whole if type(value) is int else put
    return Lever(info, whole, lambda: {name: _text(current())}, current=current, shared=False)


def _lr_scale(scope: StepScope) -> Lever:
    def put(value: float | None) -> None:
        scope.lr_scale = 1.0 if value is None else value

    about = "Multiplies the learning rate set by the optimizer and its scheduler."
    info = LeverInfo("lr_scale", "number", 1.0, low=_SMALLEST, high=_LARGEST, help=about)
    return Lever(info, put, lambda: _group_reading(scope, "lr"), in_step=True)


def _lr_constant(scope: StepScope) -> Lever:
    def put(value: float | None) -> None:
        scope.lr = value

    about = "Holds the learning rate here, whatever the schedule says; lr_scale still multiplies it."
    start = max((float(group["lr"]) for group in scope.optimizer.param_groups if group.get("lr") is not None), default=0.0)
    info = LeverInfo("lr_constant", "number", start, low=0.0, high=_LARGEST, enabled=False, help=about)
    return Lever(info, put, lambda: _group_reading(scope, "lr"), in_step=True)


def _weight_decay(scope: StepScope) -> Lever:
    base = _largest(scope.optimizer, "weight_decay")

    def put(value: float | None) -> None:
        if value is None:
            scope.weight_decay_factor = 0.0
        else:
            scope.weight_decay_factor = value / base if base else 1.0
        scope.weight_decay = value if value and not base else None

    about = "Largest weight decay of any parameter group; the others are scaled with it."
    info = LeverInfo("weight_decay", "number", base, low=0.0, high=100.0, regularizer=True, help=about)
    return Lever(info, put, lambda: _group_reading(scope, "weight_decay"), in_step=True)


def _penalty(name: str, scope: StepScope, start: float) -> Lever:
    def put(value: float | None) -> None:
        setattr(scope, name, value or 0.0)

    formula = "‖w‖₁" if name == "l1" else "½‖w‖²"
    about = f"Adds {name}·{formula} of all trained parameters to the loss."
    info = LeverInfo(name, "number", float(start), low=0.0, high=100.0, regularizer=True, help=about)
    return Lever(info, put, lambda: {name: _text(getattr(scope, name))})


def _drops(module: nn.Module) -> Iterator[tuple[nn.Module, str]]:
    """The module with the name of its dropout rate, if it has one. Recurrent and attention layers drop out by themselves."""
    if isinstance(module, _DropoutNd):
        yield module, "p"
    elif isinstance(module, nn.RNNBase | nn.MultiheadAttention) and module.dropout:
        yield module, "dropout"


def _dropout(drops: list[tuple[nn.Module, str]]) -> Lever:
    own: list[float] = [getattr(module, name) for module, name in drops]  # the script's own rates
    placed, base = own.copy(), max(own)

    def put(value: float | None) -> None:
        for i, (module, name) in enumerate(drops):
            held = getattr(module, name)
            if held != placed[i]:  # by the script, which has a plan of its own for it
                own[i] = held
        for i, (module, name) in enumerate(drops):
            placed[i] = own[i] if value == base else _proportional(value, own[i], max(own))
            setattr(module, name, placed[i])

    def reading() -> dict[str, str]:
        return {"dropout": _text(max(getattr(module, name) for module, name in drops))}

    about = "Highest dropout rate of any layer; the others are scaled with it."
    info = LeverInfo("dropout", "number", base, low=0.0, high=1.0, regularizer=True, help=about)
    return Lever(info, put, reading)


def _clip(name: str, scope: StepScope, start: float) -> Lever:
    def put(value: float | None) -> None:
        setattr(scope, name, math.inf if value is None else value)

    def reading() -> dict[str, str]:
        limit = getattr(scope, name)
        return {name: "off" if limit == math.inf else _text(limit)}

    info = LeverInfo(name, "number", float(start or 1.0), low=_SMALLEST, high=_LARGEST, enabled=bool(start), help=_CLIPS[name])
    return Lever(info, put, reading)


def _proportional(value: float | None, own: float, base: float) -> float:
    if value is None:
        return 0.0
    return own * (value / base) if base else value


def _largest(optimizer: Optimizer, key: str) -> float:
    return max(float(group.get(key) or 0.0) for group in optimizer.param_groups)


def _group_reading(scope: StepScope, key: str) -> dict[str, str]:
    """What the optimizer's groups hold during a step: the first group's learning rate, the largest weight decay."""
    groups = scope.optimizer.param_groups
    values = scope.look(lambda: [float(group[key]) for group in groups if group.get(key) is not None])
    if not values:
        return {}
    return {key: _text(values[0] if key == "lr" else max(values))}


def _text(value: LeverValue) -> str:
    return f"{value:.6g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
