"""Learning-rate schedules: torch's own schedulers, stepped at the right moments and exact after a resume.

They set the rate in the optimizer's groups; the lever `lr_scale` multiplies it around each step, so both compose. For the
training thread.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LinearLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from tuimon.spec.sections import ScheduleSpec

# If a resumed run has a different number of steps, these come from the new spec.
_HORIZON = ("T_max", "total_steps", "_schedule_phases")


class Schedule:
    """The schedule of one optimizer, over one run.

    Args:
        spec: the schedule and its settings.
        optimizer: whose rates it sets; the first rate is set immediately.
        steps_per_epoch: optimizer steps.
        total_steps: optimizer steps of the whole run.
    """

    def __init__(self, spec: ScheduleSpec, optimizer: Optimizer, steps_per_epoch: int, total_steps: int) -> None:
        self._spec, self._optimizer = spec, optimizer
        self._warm_steps = round(spec.warmup * steps_per_epoch)
        self._rest = max(1, total_steps - self._warm_steps)
        self._done = 0
        self._main = self._make(steps_per_epoch)
        self._plateau = self._make_plateau() if spec.name == "plateau" else None
        self._warm = self._make_warmup() if self._warm_steps else None

    def after_step(self) -> None:
        """Advances by one optimizer step; after the end of the run, the last rate stays."""
        self._done += 1
        if self._warm is not None and self._done <= self._warm_steps:
            self._warm.step()
        elif self._main is not None and self._done - self._warm_steps < self._rest:
            self._main.step()

    def after_validation(self, loss: float) -> None:
        """Gives the validation loss to a plateau schedule; ignored during warm-up."""
        if self._plateau is not None and self._done >= self._warm_steps:
            self._plateau.step(loss)

    def skip_to(self, steps: int) -> None:
        """Sets the rates that this schedule has after that many optimizer steps. A plateau schedule knows no past."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch expects an optimizer's step before each
            while self._done < steps:
                self.after_step()

    def state_dict(self) -> dict[str, Any]:
        """The state of the schedule, in plain types."""
        return {"done": self._done} | {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the state. The rates are in the optimizer's own state, which must be loaded before."""
        self._done = state["done"]
        for name, part in self._parts().items():
            part.load_state_dict({key: value for key, value in state[name].items() if key not in _HORIZON})
        if self._main is not None:
            self._turn_to_another_end(self._main, state["main"])

    def _turn_to_another_end(self, main: LRScheduler, state: Mapping[str, Any]) -> None:
        """Adjusts the rates if the run so far was planned with a different length."""
        if isinstance(main, CosineAnnealingLR) and main.T_max != state["T_max"]:  # computes each rate from the one before
            for group, rate in zip(self._optimizer.param_groups, main._get_closed_form_lr(), strict=True):
                group["lr"] = rate
        if main.last_epoch < min(self._done - self._warm_steps, self._rest - 1):
            main.step()  # the shorter run took no step at its end

    def _parts(self) -> dict[str, LRScheduler]:
        parts = {"warmup": self._warm, "main": self._main, "plateau": self._plateau}
        return {name: part for name, part in parts.items() if part is not None}

    def _make(self, steps_per_epoch: int) -> LRScheduler | None:
        spec, optimizer = self._spec, self._optimizer
        match spec.name:
            case "step":
                return StepLR(optimizer, spec.every * steps_per_epoch, spec.factor)
            case "inverse":
                return LambdaLR(optimizer, lambda step: 1 / (1 + spec.decay * step / steps_per_epoch))
            case "cosine":
                return CosineAnnealingLR(optimizer, self._rest, eta_min=optimizer.param_groups[0]["lr"] * spec.last)
            case "one_cycle":
                return self._make_one_cycle()
        return None

    def _make_one_cycle(self) -> OneCycleLR:
        spec, total = self._spec, max(4, self._rest)
        return OneCycleLR(
            self._optimizer,
            [group["lr"] for group in self._optimizer.param_groups],
            total,
            pct_start=min(max(spec.peak, 2 / total), 1 - 1 / total),  # torch divides by the length of each phase
            div_factor=1 / spec.start,
            final_div_factor=spec.start / spec.last if spec.last else 1e4,
            cycle_momentum=False,
        )

    def _make_plateau(self) -> ReduceLROnPlateau:
        spec = self._spec
        least = [group["lr"] * spec.last for group in self._optimizer.param_groups]
        bad = max(0, spec.patience - 1)  # torch lowers the rate after one more than its patience
        return ReduceLROnPlateau(self._optimizer, factor=spec.factor, patience=bad, min_lr=least)

    def _make_warmup(self) -> LinearLR:
        return LinearLR(self._optimizer, self._spec.start, 1.0, self._warm_steps)
