"""What levers and the probe do around one optimizer step. Training thread.

Kept from a `torch.compile` around the optimizer's step, which would compile all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from tuimon.monitor.guard import Guard, uncompiled
from tuimon.monitor.levers.desk import Desk
from tuimon.monitor.levers.scope import StepScope
from tuimon.monitor.probe.probe import Probe

Arguments = tuple[tuple[Any, ...], dict[str, Any]]  # of the optimizer's `step`


class Around:
    """Puts levers in force for the length of a step, and samples some of the steps.

    Args:
        scope: the settings in force during a step.
        desk: where commands wait for their answers.
        probe: samples the layers.
        guard: takes the errors of what is done behind a closure.
    """

    def __init__(self, scope: StepScope, desk: Desk, probe: Probe, guard: Guard) -> None:
        self.scope, self.desk, self.probe, self._guard = scope, desk, probe, guard

    @property
    def wanted(self) -> bool:
        """Whether anything has to be done around the next step."""
        return self.scope.active or self.probe.armed or self.desk.waiting

    def close(self, done: int) -> None:
        """Ends sampling, answers every command, and gives the parameter groups back what they held."""
        self.probe.close()
        self.desk.close(done)
        self.scope.exit()

    @uncompiled
    def prepare(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Arguments | None:
        """Puts the levers into force; gradients that a closure is still to compute are read and changed behind it."""
        self.scope.enter()
        if len(args) > 1 and callable(args[1]):
            return (args[0], self._wrapped(args[1]), *args[2:]), kwargs
        if callable(kwargs.get("closure")):
            return args, {**kwargs, "closure": self._wrapped(kwargs["closure"])}
        self._treat_gradients(first=True)
        return None

    def _wrapped(self, closure: Callable[[], Any]) -> Callable[[], Any]:
        self.scope.stale = False  # it computes the gradients of the weights that are there now
        first = True

        def watched() -> Any:
            nonlocal first
            loss = closure()
            try:
                self._treat_gradients(first)
            except Exception as error:
                self._guard.report("step hook", error)
            first = False
            return loss

        return watched

    def _treat_gradients(self, first: bool) -> None:
        if self.probe.armed and first:
            self.probe.read_gradients(_loss_scale(self.scope.optimizer))
        if self.scope.changes_gradients and self.scope.change_gradients():
            self.probe.tell_once("skipped a step whose gradients are not all finite; further ones are skipped without a word")

    @uncompiled
    def conclude(self, done: int) -> bool:
        """Answers commands with what the optimizer has just used, takes the levers out of force, and measures the update.

        Args:
            done: completed steps, this one included.

        Returns:
            Whether the next step has levers to put in force.
        """
        self.desk.settle()
        self.scope.exit()
        if self.probe.armed:
            self.probe.finish(done)
        return self.scope.active


def _loss_scale(optimizer: Optimizer) -> Tensor | None:
    """The scale that gradients still carry when a loss scaler leaves unscaling to a fused optimizer."""
    scale = getattr(optimizer, "grad_scale", None)
    return scale if isinstance(scale, Tensor) else None
