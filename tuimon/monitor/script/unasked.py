"""Watches a training that does not ask for it: `tuimon run train.py`.

PyTorch tells of each step of any optimizer through its global hooks. At the first one the model is looked for, and watched as
`tuimon.watch` would; the loss of a step is what `backward` was called on. A script that calls `watch` by itself is left alone.
Training thread; whatever fails is told once, and training goes on.
"""

from __future__ import annotations

import gc
import os
import sys
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from tuimon.base import format, given
from tuimon.log.files import event_files
from tuimon.monitor import ending
from tuimon.monitor.script.losses import Losses
from tuimon.monitor.warned import memory_kept

if TYPE_CHECKING:
    from tuimon.monitor.monitor import Monitor


def watch_unasked() -> Callable[[], str]:
    """Watches this process of a program that was given a folder for its run, from its first optimizer step on.

    Of several processes that train one model only the first on its machine is watched.

    Returns:
        What tells, when the process ends, why nothing was watched in it.
    """
    return (lambda: "") if given.is_a_later_rank() else UnaskedWatch().why_unwatched


class UnaskedWatch:
    """Watches the first optimizer that makes a step in this process; once its model is gone, the next.

    The first run of all processes of a program gets the folder that was made for it; further ones get folders beside it.
    """

    def __init__(self) -> None:
        self._pid = os.getpid()
        self._monitor: Callable[[], Monitor | None] = lambda: None  # weak: a search's model must be able to go
        self._optimizer: Callable[[], Optimizer | None] = lambda: None
        self._others: weakref.WeakSet[Optimizer] = weakref.WeakSet()  # that are not watched
        self._losses = Losses()
        self._hooks = [register_optimizer_step_pre_hook(self._before), register_optimizer_step_post_hook(self._after)]

    def why_unwatched(self) -> str:
        """Why there was no optimizer step to watch, and what to do."""
        if not self._losses.seen:
            return "no torch.optim optimizer made a step"
        return (
            f"backward was called on {self._losses.seen} losses, and no torch.optim optimizer made a step; "
            "an update written by hand cannot be watched: have an optimizer make it, such as torch.optim.SGD"
        )

    def close(self) -> None:
        """Leaves the script alone from now on."""
        self._losses.close()
        for hook in self._hooks:
            hook.remove()

    def _before(self, optimizer: Optimizer, _: tuple[Any, ...], __: dict[str, Any]) -> None:
        if optimizer is not self._optimizer() and optimizer not in self._others:
            self._guarded(self._meet, optimizer)
        if optimizer is self._optimizer():
            self._losses.begin_step()

    def _after(self, optimizer: Optimizer, _: tuple[Any, ...], __: dict[str, Any]) -> None:
        if optimizer is self._optimizer():
            monitor = self._monitor()
            if monitor and monitor.stepping:  # a step within the optimizer's step
                return
            loss = self._losses.end_step()
            if loss is not None and monitor:
                monitor.log(loss=loss.item() if loss.is_cpu else loss)
        elif not self._losses.stepping:  # an optimizer inside of the watched one leaves it its loss
            self._losses.take()

    def _meet(self, optimizer: Optimizer) -> None:
        """Decides about an optimizer at its first step; a step inside of the watched optimizer's is part of that."""
        if os.getpid() != self._pid:
            self._begin_in_a_fork()
        if self._monitor() and not self._losses.stepping:
            gc.collect()  # ends the run of a model that is gone, as a search's
        if self._losses.stepping or _is_of_a_later_rank():
            self._others.add(optimizer)
        elif monitor := self._monitor():
            self._leave_out(optimizer, monitor)
        elif ending.still_open():
            self.close()
        else:
            self._watch(optimizer)

    def _begin_in_a_fork(self) -> None:
        """Forgets what the parent process watches."""
        self._pid = os.getpid()
        self._monitor = self._optimizer = lambda: None
        self._losses.end_step()

    def _leave_out(self, optimizer: Optimizer, monitor: Monitor) -> None:
        watched = self._optimizer()
        if not self._others and watched is not None:
            part = f"{format.count(_size_of(watched))} parameters"
            monitor.notice(
                _stepped_inside_backward(part) if self._losses.inside_backward else _second(optimizer, part), "warning"
            )
        self._others.add(optimizer)

    def _watch(self, optimizer: Optimizer) -> None:
        from tuimon.monitor.watch import watch  # not before: it imports torch._dynamo, whose settings a script may still make

        folder = given.given()
        name, runs_dir = (folder.name, folder.parent) if folder else (None, None)
        monitor = watch(model_of(optimizer), optimizer, name=name, runs_dir=runs_dir)
        self._monitor, self._optimizer = weakref.ref(monitor), weakref.ref(optimizer)

    @torch._disable_dynamo  # type: ignore[attr-defined]
    def _guarded(self, work: Callable[[Optimizer], None], optimizer: Optimizer) -> None:
        """Keeps errors from the script; and its compiler from the work, as `guard.uncompiled`, which imports torch._dynamo."""
        try:
            with memory_kept():
                work(optimizer)
        except Exception as error:
            self.close()
            self._log_failure(f"cannot watch this training: {type(error).__name__}: {error}")

    def _log_failure(self, text: str) -> None:
        print(f"tuimon: {text}; it goes on", file=sys.stderr)
        folder = given.given()
        if folder and not any(file.suffix == ".run" for file in event_files(folder)):
            given.put_back(folder, text)


def _second(optimizer: Optimizer, part: str) -> str:
    return (
        f"a second optimizer ({type(optimizer).__name__}) makes steps, too: only the first, of {part}, is watched and steered, "
        "and the losses are its own; tuimon.watch(model, optimizer) in the script watches whichever it is given"
    )


def _stepped_inside_backward(part: str) -> str:
    return (
        f"several optimizers make their steps inside of backward: only the first, of {part}, is watched and steered; "
        "one optimizer of all parameters that makes its step after backward is watched and steered as a whole"
    )


def _size_of(optimizer: Optimizer) -> int:
    return sum(parameter.numel() for group in optimizer.param_groups for parameter in group["params"])


def _is_of_a_later_rank() -> bool:
    """Whether another process speaks for the training that this one is part of, as `torch.distributed` knows."""
    distributed = torch.distributed
    return distributed.is_available() and distributed.is_initialized() and distributed.get_rank() > 0


def model_of(optimizer: Optimizer) -> nn.Module:
    """The module that an optimizer trains.

    It has the most of the optimizer's parameters; of several, it has the fewest others that are trained (a generator, and not
    the pair of it and its discriminator), and then it is the outermost (the whole network, though only its head is trained).
    An empty module where no module has any. Looks at all of the process's objects: tenths of a second in a large one.
    """
    own = {id(p) for group in optimizer.param_groups for p in group["params"]}
    best, best_rank = nn.Module(), (0, 0, 0)
    for module in _modules():
        held = {id(p): p for p in module.parameters()}
        common = len(own & held.keys())
        others = sum(p.requires_grad for key, p in held.items() if key not in own)
        rank = (common, -others, sum(1 for _ in module.modules()))
        if common and (best_rank[0] == 0 or rank > best_rank):
            best, best_rank = module, rank
    return best


def _modules() -> list[nn.Module]:
    """All modules that are alive and whole."""
    found = [thing for thing in gc.get_objects() if issubclass(type(thing), nn.Module)]
    return [module for module in found if "_parameters" in vars(module) and "_modules" in vars(module)]
