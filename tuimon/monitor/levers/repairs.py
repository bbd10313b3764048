"""Levers that repair: new weights for dead units or for all, a fresh optimizer, skipped steps. Training thread."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd
from torch.optim import Optimizer

from tuimon.log.records import LeverInfo, LeverValue
from tuimon.log.settings import RefusedError
from tuimon.monitor.levers.levers import Action, Done, Lever, Levers
from tuimon.monitor.levers.scope import StepScope

_EAGER = (torch.optim.Adagrad,)  # makes its state when it is made, and never again
_KNOWN = ("torch.optim.", "tuimon.")  # whose steps are known to leave out parameters without a gradient
_LARGE = 1 << 24  # entries of a matrix: to make it orthogonal would hold the training up
_NAMED = 5  # layers that a note names


class Dead(NamedTuple):
    """The dead units of one layer: `units` are rows of the weight's dimension `dim`."""

    layer: str
    module: nn.Module
    units: Sequence[int]
    dim: int


def declare_repairs(
    levers: Levers,
    model: nn.Module,
    scope: StepScope,
    dead: Callable[[], Sequence[Dead]],
    gains: Callable[[], Mapping[nn.Module, float]],
    step: Callable[[], int],
) -> None:
    """Declares these levers.

    Args:
        levers: take them.
        model: whose weights they are.
        scope: of the optimizer's steps.
        dead: what the latest samples say of dead units.
        gains: by which factor each layer's weights are to make up for its activation.
        step: how many steps are complete.
    """
    optimizer = scope.optimizer
    empty = not optimizer.state  # so its first step fills it

    def reset(_: LeverValue) -> Done:
        return Done(reset_optimizer(optimizer, empty))

    def revive(_: LeverValue) -> Done:
        return Done(reinitialize(dead(), optimizer, step()))

    def renew(_: LeverValue) -> Done:
        return Done(redraw_all(model, optimizer, gains(), step()))

    about = "Draws all weights anew, as if the training began here: for initial weights that were no good."
    levers.offer(Action(LeverInfo("reinit_weights", "action", help=about), renew, shared=True))
    about = "Draws the weights of dead units anew; the others keep theirs."
    levers.declare(_skip(scope))
    levers.offer(Action(LeverInfo("reinit_dead_units", "action", help=about), revive, shared=True))
    about = "Forgets the optimizer's momentum and other state, as if it had just been made."
    levers.offer(Action(LeverInfo("reset_optimizer", "action", help=about), reset, shared=True))


def _skip(scope: StepScope) -> Lever:
    def put(value: Any) -> None:
        if value and not _step_of(scope.optimizer).startswith(_KNOWN):
            name = type(scope.optimizer).__name__
            raise RefusedError(f"it is not known whether a step of {name} can do without gradients, and so be skipped")
        scope.skip_non_finite = bool(value)

    about = "Skips each step that has a gradient which is NaN or infinite; looking costs a GPU a wait."
    info = LeverInfo("skip_non_finite", "switch", False, help=about)
    return Lever(info, put, lambda: {"skip_non_finite": "on" if scope.skip_non_finite else "off"})


def reset_optimizer(optimizer: Optimizer, was_empty: bool) -> str:
    """Removes all state.

    Args:
        optimizer: between two steps.
        was_empty: whether it was seen without any state before its first step.

    Returns:
        What was done, in words.

    Raises:
        RefusedError: it may not be able to go on without.
    """
    if not optimizer.state:
        raise RefusedError("the optimizer has no state yet")
    if isinstance(optimizer, _EAGER) or not (was_empty or _step_of(optimizer).startswith(_KNOWN)):
        raise RefusedError(f"{type(optimizer).__name__} makes its state only once, and cannot step without it")
    parameters = len(optimizer.state)
    optimizer.state.clear()
    return f"the state of {parameters} parameter{'s' if parameters > 1 else ''} is gone"


@torch.no_grad()
def reinitialize(dead: Sequence[Dead], optimizer: Optimizer, step: int) -> str:
    """Draws the incoming weights of dead units as He et al. (ICCV 2015) do for rectifiers, and sets their biases to zero.

    Their outgoing weights stay (Sokar et al., ICML 2023, sets them to zero, and a layer all of whose units are dead would pass
    on nothing). The same step draws the same numbers; the training's own random state is not used.

    Returns:
        What was done, in words.

    Raises:
        RefusedError: no dead units are known, or their layers' weights are none of their own.
    """
    found = [one for one in dead if len(one.units)]
    if not found:
        raise RefusedError("no dead units are known; it takes four samples of the layers to tell")
    done = [one for one in found if _redraw(one, optimizer, step)]
    if not done:
        raise RefusedError(f"the weights of {found[0].layer} are computed from others, and cannot be drawn anew")
    named = ", ".join(f"{one.layer}: {len(one.units)}" for one in done[:_NAMED])
    more = f" and {len(done) - _NAMED} more layers" if len(done) > _NAMED else ""
    return f"units drawn anew in {named}{more}"


@torch.no_grad()
def redraw_all(model: nn.Module, optimizer: Optimizer, gains: Mapping[nn.Module, float], step: int) -> str:
    """Draws all trained weights anew, and forgets what the optimizer has gathered of them.

    Matrices and convolutions become orthogonal, times their gain, which keeps the size of signals and gradients at any depth
    (Saxe et al., ICLR 2014); their biases zero; all else as PyTorch makes it. The same step draws the same numbers; the
    training's own random state is not used.

    Returns:
        What was done, in words.

    Raises:
        RefusedError: nothing is trained whose first weights PyTorch knows how to draw.
    """
    devices = sorted({p.device.index or 0 for p in model.parameters() if p.is_cuda})
    drawn = 0
    with torch.random.fork_rng(devices):
        torch.manual_seed(_seed(step, "all"))
        for module in model.modules():
            own = [p for p in module.parameters(recurse=False) if p is not None]
            if own and all(p.requires_grad for p in own):
                drawn += _drawn(module, gains.get(module, 1.0))
    if not drawn:
        raise RefusedError("no layer is trained whose first weights PyTorch knows how to draw")
    for parameter, state in optimizer.state.items():
        for value in state.values():
            if isinstance(value, Tensor) and value.shape == parameter.shape:
                value.zero_()
    return f"the weights of {drawn} layer{'s' if drawn > 1 else ''} are drawn anew"


def _drawn(module: nn.Module, gain: float) -> bool:
    weight, bias = module._parameters.get("weight"), module._parameters.get("bias")
    reset = getattr(module, "reset_parameters", None) or getattr(module, "_reset_parameters", None)
    if weight is not None and weight.dim() > 1 and isinstance(module, nn.Linear | _ConvNd):
        if weight.numel() > _LARGE:
            weight.normal_(0.0, gain / math.sqrt(weight[0].numel()))
        else:
            nn.init.orthogonal_(weight, gain)
        if bias is not None:
            bias.zero_()
        return True
    if callable(reset) and not isinstance(module, nn.Transformer):  # whose layers are drawn by themselves
        reset()
        return True
    return False


def _redraw(dead: Dead, optimizer: Optimizer, step: int) -> bool:
    weight, bias = dead.module._parameters.get("weight"), dead.module._parameters.get("bias")
    if weight is None or weight.dim() < 2 or not weight.requires_grad:
        return False
    rows = torch.tensor(list(dead.units), device=weight.device)
    part = weight.index_select(dead.dim, rows)
    fan_in = part.numel() // len(dead.units)
    dice = torch.Generator().manual_seed(_seed(step, dead.layer))
    drawn = torch.randn(part.shape, generator=dice) * math.sqrt(2.0 / max(fan_in, 1))
    weight.index_copy_(dead.dim, rows, drawn.to(weight))
    _forget(optimizer, weight, dead.dim, rows)
    if bias is not None:
        bias.index_fill_(0, rows, 0.0)
        _forget(optimizer, bias, 0, rows)
    return True


def _forget(optimizer: Optimizer, parameter: Tensor, dim: int, rows: Tensor) -> None:
    """What the optimizer has gathered of these rows."""
    for value in optimizer.state.get(parameter, {}).values():
        if isinstance(value, Tensor) and value.shape == parameter.shape:
            value.index_fill_(dim, rows, 0.0)


def _seed(step: int, layer: str) -> int:
    return step * 1_000_003 + sum((i + 1) * byte for i, byte in enumerate(layer.encode()))


def _step_of(optimizer: Optimizer) -> str:
    """The module whose code steps, with a dot behind it."""
    return f"{type(optimizer).step.__module__}."
