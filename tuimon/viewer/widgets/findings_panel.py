"""What the diagnosis found, and the remedies for it."""

from __future__ import annotations

import textwrap
from collections.abc import Hashable

from textual.message import Message

from tuimon.base import format
from tuimon.diagnosis.history import in_order, merged
from tuimon.diagnosis.remedies import remedies_of
from tuimon.log.records import Finding
from tuimon.log.store import Store
from tuimon.viewer.draw.rows import Row, Span
from tuimon.viewer.widgets.row_list import RowList
from tuimon.viewer.widgets.wording import moves_text

_STYLES = {"hint": "value", "warning": "warn", "critical": "bad"}
_MARKS = {"hint": "i", "warning": "!", "critical": "!!"}


class FindingsPanel(RowList):
    """The findings, each with its remedy while the run can still apply it.

    What holds comes first, causes before what they cause, the most severe first; what is over comes last.
    """

    has_cursor = True

    class Opened(Message):
        """The user asks for a finding's page."""

        def __init__(self, panel: FindingsPanel, finding: Finding) -> None:
            super().__init__()
            self.panel = panel
            self.finding = finding

        @property
        def control(self) -> FindingsPanel:
            """The panel."""
            return self.panel

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._findings: list[Finding] = []
        self._lines: list[tuple[Finding, Row]] = []
        self._lines_width = -1
        self._offers = True

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "findings"

    def offer(self, offers: bool) -> None:
        """Sets whether remedies can be applied: not for a run that is over."""
        if offers != self._offers:
            self._offers, self._lines_width = offers, -1
            self.redraw()

    @property
    def first(self) -> Finding | None:
        """The first finding that holds and has a remedy; None if there is none."""
        return next((finding for finding in self._findings if finding.remedy and finding.cleared is None), None)

    def watched(self, store: Store) -> Hashable:
        """A finding that is over is added once more."""
        return len(store.findings)

    def take(self, store: Store) -> None:
        """Puts each finding in its place, as it was told last."""
        told = [record.event for record in store.findings if isinstance(record.event, Finding)]
        self._findings = in_order(merged(told))
        self._lines_width = -1

    def count(self) -> int:
        """Rows that the findings take."""
        return len(self._lines_at(self.size.width))

    def row(self, index: int, width: int) -> Row:
        """One row of a finding."""
        return self._lines_at(self.size.width)[index][1]

    def empty_text(self) -> str:
        """What will appear, and that an empty panel is good news."""
        return "No problems found.\nVanishing or exploding gradients, dead units and similar problems appear here."

    def chosen(self, index: int) -> None:
        """Asks for the page of the finding under the cursor."""
        self.post_message(self.Opened(self, self._lines_at(self.size.width)[index][0]))

    def _lines_at(self, width: int) -> list[tuple[Finding, Row]]:
        if width != self._lines_width:
            room = max(width - 1, 10)
            self._lines = [(finding, row) for finding in self._findings for row in self._rows_of(finding, room)]
            self._lines_width = width
        return self._lines

    def _rows_of(self, finding: Finding, width: int) -> list[Row]:
        if finding.cleared is not None:
            return _over(finding, width)
        if finding.explained_by and any(other.rule == finding.explained_by for other in self._findings):
            return _found(finding, width, self.ascii, indent="   ")  # its cause is what to mend
        remedy = _remedy(finding, width, self.ascii) if finding.remedy and self._offers else []
        return [*_found(finding, width, self.ascii), *remedy]


def _over(finding: Finding, width: int) -> list[Row]:
    where = f" at {finding.layer}" if finding.layer else ""
    told = f"over: {finding.rule}{where}, from step {format.count(finding.raised)} to {format.count(finding.cleared or 0)}"
    return [[Span(line, "dim")] for line in textwrap.wrap(told, width, subsequent_indent="  ")]


def _found(finding: Finding, width: int, ascii: bool, indent: str = "") -> list[Row]:
    mark, style = _MARKS[finding.severity], _STYLES[finding.severity]
    found = finding.text.replace("→", "->") if ascii else finding.text
    since = f"since step {finding.step}"  # the wording of rules that look for the first step
    told = found.replace(since, f"since step {format.count(finding.step)}")
    where = "" if since in found else f"step {format.count(finding.step)}: "
    lines = textwrap.wrap(f"{mark} {where}{told}", width, initial_indent=indent, subsequent_indent=indent + "  ")
    return [[Span(line, style)] for line in lines]


def _remedy(finding: Finding, width: int, ascii: bool) -> list[Row]:
    moves = moves_text(remedies_of(finding)[0], ascii)
    return [[Span(line, "key")] for line in textwrap.wrap(f"  f: {moves}", width, subsequent_indent="  ")]
