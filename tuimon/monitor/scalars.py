"""What a user logs, as numbers under the log's tags."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from tuimon.log.wire import MAX_STEP
from tuimon.log.writer import LogWriter
from tuimon.monitor.probe.transfers import Transfers, travels

TAGS = {"loss": "loss/train", "val_loss": "loss/val", "accuracy": "accuracy/train", "val_accuracy": "accuracy/val"}
_Numbers = dict[Any, float]


def scalar_tag(name: Any) -> str:
    """Where a value of this name stands in the log; a name may be no text, a class's number say."""
    return TAGS.get(name, str(name))


class Scalars:
    """Writes scalars of any kind of number, one record a call.

    Args:
        writer: takes the records.
        transfers: brings the values that live on a device.
        notice: takes a warning, once per tag, about a value that is not finite.
        travels: tells which tensors have to be waited for.
    """

    def __init__(
        self,
        writer: LogWriter,
        transfers: Transfers,
        notice: Callable[[str], None],
        travels: Callable[[Tensor], bool] = travels,
    ) -> None:
        self.writer, self.transfers, self._notice, self._travels = writer, transfers, notice, travels
        self._told: set[str] = set()
        self.lost = False  # whether a training loss was not finite, until whoever looks for the reason says otherwise

    def write(self, step: int, values: Mapping[str, Any], ready: _Numbers) -> None:
        """Writes `values`, by the user's names, which the writer knows as tags, with what is `ready`, which is changed.

        Values on a device are written when they arrive, with the whole record, under the step and time of this call.
        """
        travelling: dict[str, Tensor] = {}
        for name, value in values.items():
            number: float | None
            if type(value) is float:
                number = value
            elif isinstance(value, Tensor) and value.numel() == 1 and self._travels(value):
                travelling[name] = value
                continue
            else:
                number = self._number(name, value)
                if number is None:
                    continue
            if number - number != 0.0:  # only NaN and the infinities differ from themselves
                self._tell_not_finite(step, name, number)
                self.lost |= scalar_tag(name) == TAGS["loss"]
            ready[name] = number
        if travelling:
            self._send(step, travelling, ready)
        elif ready:
            self.writer.scalars(step, ready)

    def _send(self, step: int, travelling: Mapping[str, Tensor], ready: _Numbers) -> None:
        names, wall_time = tuple(travelling), time.time()

        def arrived(numbers: list[float]) -> None:
            for name, number in zip(names, numbers, strict=True):
                if number - number != 0.0:
                    self._tell_not_finite(step, name, number)
                ready[name] = number
            self.writer.scalars(step, ready, wall_time)

        self.transfers.send(tuple(travelling.values()), arrived)

    def step(self, asked: Any, done: int) -> int:
        """The step that a user's values belong to: a whole number that the log can hold; `done` where it is none."""
        try:
            step = int(asked)
        except (TypeError, ValueError, OverflowError):
            step = -1
        if not 0 <= step <= MAX_STEP or step != asked:
            kept = step if 0 <= step <= MAX_STEP and isinstance(asked, float) else done
            self._tell_once(
                "step",
                f"step {asked!r} is not a whole number of at least 0: logged under step {kept}, and so are others like it",
            )
            return kept
        return step

    def _number(self, name: Any, value: Any) -> float | None:
        try:
            return float(value.item() if hasattr(value, "item") else value)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            tag = scalar_tag(name)
            self._tell_once(tag, f"{tag} was given a value that is not a number: {type(value).__name__}")
            return None

    def _tell_not_finite(self, step: int, name: Any, number: float) -> None:
        tag = scalar_tag(name)
        self._tell_once(tag, f"{tag} is {number} since step {step}")

    def _tell_once(self, tag: str, text: str) -> None:
        if tag not in self._told:
            self._told.add(tag)
            self._notice(text)
