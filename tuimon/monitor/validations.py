"""What the log keeps of validations besides their numbers: examples to look at, and confusion matrices. Training thread."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from tuimon.log import confusion
from tuimon.log.writer import LogWriter
from tuimon.monitor.guard import Guard
from tuimon.monitor.samples import Chooser, as_examples, is_due
from tuimon.monitor.steps import Steps


class Validations:
    """Logs examples and confusion matrices at the current step. Whatever fails is reported once, never raised.

    Args:
        writer: of the run's log.
        steps: say which step it is.
        model: whose first layer's weights are shown beside the examples.
        guard: takes the errors.
    """

    def __init__(self, writer: LogWriter, steps: Steps, model: nn.Module, guard: Guard) -> None:
        self._writer, self._steps, self._model, self._guard = writer, steps, model, guard
        self._counts: dict[str, int] = {}  # validations of each split

    def examples(self, inputs: Any, targets: Any, outputs: Any, losses: Any, split: str, **options: Any) -> None:
        """Logs some examples of a whole validation if they are due; see `Monitor.samples`."""
        try:
            if chooser := self.chooser(split, **options):
                chooser.add(*as_examples(inputs, targets, outputs, losses))
                self.log(chooser, split)
        except Exception as error:
            self._guard.report("samples", error)

    def chooser(self, split: str = "val", last: bool = False, **options: Any) -> Chooser | None:
        """What to give the batches of a validation one by one, and then to `log`; None: no examples are due.

        Args:
            split: what is validated on.
            last: it is the last validation, which always is due.
            options: of `Chooser`.
        """
        self._counts[split] = count = self._counts.get(split, 0) + 1
        return Chooser(report=self._guard.report, **options) if is_due(count) or last else None

    def log(self, chooser: Chooser, split: str = "val") -> None:
        """Logs the examples that a chooser has kept."""
        try:
            self._writer.text_and_pictures(self._steps.done, *chooser.record(split, self._model))
        except Exception as error:
            self._guard.report("samples", error)

    def confusion(self, counts: Any, classes: Sequence[str], split: str) -> None:
        """Logs a confusion matrix; see `Monitor.log_confusion`."""
        try:
            rows = counts.tolist() if hasattr(counts, "tolist") else counts
            self._writer.text(self._steps.done, confusion.PREFIX + split, confusion.encode(rows, classes))
        except Exception as error:
            self._guard.report("log_confusion", error)
