"""What came of a training, as its judge measured it; kept beside its log."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec


class Check(NamedTuple):
    """One look of the judge: the step, the error and the loss on validation data with true labels."""

    step: int
    error: float
    loss: float


class Outcome(msgspec.Struct, frozen=True):
    """What came of a training.

    Attributes:
        checks: the judge's looks, from before the first step to after the last.
        chance_error: the error of the best answer that looks at no input; `chance_loss` likewise.
        step_s: seconds that a step took, the median.
        grown_bytes: by how much the process's memory grew.
        formula: what losses can be compared with: those of equal formula.
        learned: what a training with a loop of its own says instead: whether it did what it should. None elsewhere.
    """

    checks: list[Check]
    chance_error: float
    chance_loss: float
    step_s: float
    grown_bytes: float
    formula: str = ""
    learned: bool | None = None

    @property
    def error(self) -> float:
        """The last error."""
        return self.checks[-1].error

    @property
    def loss(self) -> float:
        """The last loss."""
        return self.checks[-1].loss


def save(outcome: Outcome, path: Path) -> None:
    """Writes it into a file; infinite numbers are null there."""
    path.write_bytes(msgspec.json.encode(outcome))


class _Stored(msgspec.Struct):
    checks: list[tuple[int, float | None, float | None]]
    chance_error: float
    chance_loss: float
    step_s: float
    grown_bytes: float
    formula: str = ""
    learned: bool | None = None


def load(path: Path) -> Outcome | None:
    """The outcome kept in a file; None where there is none."""
    if not path.is_file():
        return None
    kept = msgspec.json.decode(path.read_bytes(), type=_Stored)
    checks = [Check(step, _number(error), _number(loss)) for step, error, loss in kept.checks]
    fields = {name: getattr(kept, name) for name in kept.__struct_fields__ if name != "checks"}
    return Outcome(checks=checks, **fields)


def _number(value: float | None) -> float:
    return float("inf") if value is None else value
