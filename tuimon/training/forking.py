"""What is special in a run that goes on from another run's checkpoint: what may be different, and what came before.

For the training thread.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from torch.optim import Optimizer

from tuimon.base.errors import TuimonError
from tuimon.log.records import Command
from tuimon.monitor.folder import planned_steering
from tuimon.spec.spec import Spec
from tuimon.training import checkpoint
from tuimon.training.schedules import Schedule

_TUNED = ("optimizer.", "schedule.")
_RATE = {"optimizer.lr", "schedule.name"}

Groups = list[dict[str, Any]]


def hyperparameters(optimizer: Optimizer) -> Groups:
    """The settings of each parameter group: learning rate, momentum, … A checkpoint's state replaces them."""
    return [{key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups]


def retune(optimizer: Optimizer, schedule: Schedule, own: Groups, content: dict[str, Any], spec: Spec) -> bool:
    """Gives the optimizer back its spec's own settings, and the schedule its place, if either differs from the checkpoint's.

    The rate is then what the new schedule has after as many steps. A plateau schedule starts over, at the rate that it had
    reached if neither the rate nor the kind of schedule differ.

    Args:
        optimizer: with the checkpoint's state.
        schedule: the new schedule, at its beginning.
        own: `hyperparameters` from before the checkpoint's state was loaded.
        content: the checkpoint's.
        spec: the fork's.

    Returns:
        Whether they differ.
    """
    changed = checkpoint.differences(content, spec).keys()
    if not any(key.startswith(_TUNED) for key in changed):
        return False
    reached = spec.schedule.name == "plateau" and not changed & _RATE
    for group, settings in zip(optimizer.param_groups, own, strict=True):
        group.update({key: value for key, value in settings.items() if not (reached and key == "lr")})
    schedule.skip_to(content["schedule"]["done"])
    return True


def commands_at(folder: Path, step: int) -> list[Command]:
    """The changes that a fork begins with: its checkpoint does not have them, as that of a resumed run would."""
    return [planned.command for planned in planned_steering(folder) if planned.step == step and not planned.mid_step]


def drop_later_best(folder: Path, best_step: int) -> None:
    """Removes the other run's best checkpoint if it was saved later than the fork, which does not know of it."""
    path = folder / checkpoint.FOLDER / checkpoint.BEST
    try:
        known = not path.exists() or checkpoint.load(path)["step"] == best_step
    except TuimonError:
        known = False
    if not known:
        with contextlib.suppress(OSError):
            path.unlink()
