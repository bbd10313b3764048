"""The validation samples of a run, in a scrolling panel."""

from __future__ import annotations

import os
from collections.abc import Hashable
from typing import ClassVar

from textual.binding import Binding, BindingType

from tuimon.base import format
from tuimon.log.path import PREFIX as WEIGHTS
from tuimon.log.path import Path, path_of
from tuimon.log.samples import PREFIX
from tuimon.log.seen import Seen, seen_in
from tuimon.log.store import Store
from tuimon.viewer.draw.paths import path_rows
from tuimon.viewer.draw.rows import Row
from tuimon.viewer.draw.samples import sample_rows
from tuimon.viewer.widgets.row_list import RowList


class SamplesView(RowList):
    """The samples of the latest validation that has some, or of an earlier one; of a function, the path over it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("left", "go(-1)", "Earlier validation", show=False),
        Binding("right", "go(1)", "Later validation", show=False),
    ]

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self.seen: Seen | None = None
        self.path: Path | None = None
        self.at: int | None = None  # the step to show; None: the latest
        self._drawn: tuple[Hashable, list[Row]] = (None, [])

    def watched(self, store: Store) -> Hashable:
        """The validations that have samples, and which of them is shown."""
        return self.at, tuple(_steps(store)), sum(store[tag].version for tag in store.series if tag.startswith(WEIGHTS))

    def take(self, store: Store) -> None:
        """Reads the samples to show."""
        self.seen = seen_in(store, self.at)
        self.path = path_of(store)
        steps = _steps(store)
        between = " - " if self.ascii else " · "
        ways = f"{between}left, right: other validations" if len(steps) > 1 else ""
        self.entitle("path" if self.path else f"samples{f' at step {format.count(self.seen.step)}' if self.seen else ''}")
        self.subtitle(f"esc to close{ways}")

    def count(self) -> int:
        """The number of rows."""
        return len(self._shown())

    def row(self, index: int, width: int) -> Row:
        """One row of the drawing."""
        return self._shown()[index]

    def empty_text(self) -> str:
        """What will appear."""
        return (
            "No samples yet.\nAfter a validation, its worst examples: truth, prediction and loss. "
            "Presets log them; a script with monitor.samples(inputs, targets, outputs)."
        )

    def action_go(self, by: int) -> None:
        """Goes to an earlier or later validation; after the last one, new ones are followed again."""
        steps = _steps(self.store) if self.store else []
        if self.store is None or not steps or self.seen is None:
            return
        place = steps.index(self.seen.step) + by if self.seen.step in steps else len(steps)
        self.at = None if place >= len(steps) - 1 else steps[max(place, 0)]
        self.update_from(self.store)

    def _shown(self) -> list[Row]:
        width = max(self.size.width - 1, 1)  # a column is the scroll bar's
        steps = len(self.path.places) if self.path else 0
        key = (id(self.seen), steps, width, self.ascii)
        if self._drawn[0] != key:
            self._drawn = (key, self._draw(width, self.ascii or "NO_COLOR" in os.environ))
        return self._drawn[1]

    def _draw(self, width: int, shaded: bool) -> list[Row]:
        if self.path is not None:
            return path_rows({"this run": self.path}, width, ascii=self.ascii, shaded=shaded)
        return sample_rows(self.seen, width, ascii=self.ascii, shaded=shaded) if self.seen else []


def _steps(store: Store) -> list[int]:
    """The steps with samples, in order."""
    return sorted({record.step for tag, texts in store.texts.items() if tag.startswith(PREFIX) for record in texts})
