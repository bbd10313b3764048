"""Finding: all that is known of one finding, and its remedies to choose from."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.screen import ModalScreen

from tuimon.base.format import count, number
from tuimon.diagnosis import RULES
from tuimon.diagnosis.proof import Proof, proofs
from tuimon.diagnosis.remedies import cannot, remedies_of
from tuimon.launcher.runs.loss import loss_tag
from tuimon.log.records import Finding, Remedy
from tuimon.log.store import Store
from tuimon.viewer.draw.finding_page import Cure, Line, Page, cures_at, lines
from tuimon.viewer.draw.rows import Row
from tuimon.viewer.plain_text import said
from tuimon.viewer.widgets.chart import Chart
from tuimon.viewer.widgets.chart_groups import first_chart
from tuimon.viewer.widgets.row_list import RowList
from tuimon.viewer.widgets.wording import moves_text

if TYPE_CHECKING:
    from tuimon.viewer.opened import OpenRun

_TWO_CHARTS = 110  # cells: from there on, what the rule reads stands beside the loss
_LEAST_CHART = 5  # rows, with its border
_LAYER = "<layer>"


class FindingScreen(ModalScreen[Remedy | None]):
    """A finding's page. Closes with the remedy that was chosen, or with None."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,i", "dismiss", "close")]

    def __init__(self, run: OpenRun, finding: Finding) -> None:
        super().__init__()
        self._run, self._finding = run, finding

    def compose(self) -> ComposeResult:
        """The charts at that place, and the text under them."""
        with Vertical(classes="dialog finding") as box:
            box.border_title = said(self.app, f"{self._finding.rule} · {self._finding.severity}")
            box.border_subtitle = "enter: apply, esc: close" if remedies_of(self._finding) else "esc to close"
            with Horizontal(id="finding-charts"):
                yield Chart(id="finding-loss")
                yield Chart(id="finding-seen")
            yield FindingText(page_of(self._run, self._finding), id="finding-text")

    def on_mount(self) -> None:
        """Shows the loss and what the rule has read, with the step marked."""
        store = self._run.store
        title, tags = first_chart([tag for tag in store.series if not tag.startswith("system/")], loss_tag(store))
        self._show(self.query_one("#finding-loss", Chart), tags, title)
        seen = tag_of(self._finding, store)
        self._show(self.query_one("#finding-seen", Chart), (seen,) if seen else (), seen)
        self._lay_out(self.app.size.width, self.app.size.height)
        self.query_one(FindingText).focus()

    def on_resize(self, event: events.Resize) -> None:
        """Shows one chart or two."""
        self._lay_out(*event.size)

    def _lay_out(self, width: int, height: int) -> None:
        self.query_one("#finding-charts").styles.height = max(height * 3 // 10 - 1, _LEAST_CHART)
        beside = self.query_one("#finding-seen", Chart)
        beside.display = width >= _TWO_CHARTS and bool(beside.tags)

    def _show(self, chart: Chart, tags: tuple[str, ...], title: str) -> None:
        chart.set_tags(tags, title)
        chart.plot.cursor = float(self._finding.step)
        chart.update_from(self._run.store)

    def on_finding_text_chosen(self, event: FindingText.Chosen) -> None:
        """Closes with a remedy, or says why it cannot be applied."""
        remedy = remedies_of(self._finding)[event.cure]
        why = "" if self._run.status.live else self._run.why_not("undo")
        why = why or ("this finding is over" if self._finding.cleared is not None else cannot(remedy, self._run.store.levers))
        if why:
            self.notify(why, severity="warning", timeout=4, markup=False)
            return
        self.dismiss(remedy)


class FindingText(RowList):
    """The page's text. The cursor goes from remedy to remedy; where there is none, the keys scroll."""

    has_cursor = True

    class Chosen(Message):
        """A remedy was chosen; `cure` is its number."""

        def __init__(self, cure: int) -> None:
            super().__init__()
            self.cure = cure

    def __init__(self, page: Page, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._page = page
        self._lines: list[Line] = []
        self._width = -1
        self.cursor = -1

    def count(self) -> int:
        """Rows of the page."""
        return len(self._at(self.size.width))

    def row(self, index: int, width: int) -> Row:
        """One row."""
        return self._at(self.size.width)[index].row

    def chosen(self, index: int) -> None:
        """Posts the remedy under the cursor."""
        cure = self._at(self.size.width)[index].cure if index >= 0 else None
        if cure is not None:
            self.post_message(self.Chosen(cure))

    def action_move(self, by: int) -> None:
        """Moves to the next remedy in that direction, and scrolls where there is none; the first one shows with its reason."""
        places = cures_at(self._at(self.size.width))
        if self.cursor >= self.top + self._room() and by > 0:  # not in sight yet
            self._reveal(places)
            return
        later = [place for place in places if (place > self.cursor if by > 0 else place < self.cursor)]
        if not later:
            self._scroll(by)
            return
        self._go(later[0] if by > 0 else later[-1])
        self._reveal(places)

    def _reveal(self, places: list[int]) -> None:
        """Scrolls so that the remedy under the cursor shows with its reason."""
        following = next((place for place in places if place > self.cursor), self.count())
        self.top = min(max(self.top, following - self._room()), self.cursor)
        self.redraw()

    def _at(self, width: int) -> list[Line]:
        if width != self._width:
            self._lines, self._width = lines(self._page, max(width - 2, 10), self.ascii), width
            places = cures_at(self._lines)
            self.cursor = places[0] if places and self.cursor < 0 else self.cursor
        return self._lines


def tag_of(finding: Finding, store: Store) -> str:
    """The tag, beside the loss, that shows a finding best: what its rule reads, at its layer; empty if that is not logged."""
    rule = next((one for one in RULES if one.name == finding.rule), None)
    names = [tag.replace(_LAYER, finding.layer) for tag in (rule.needs if rule else ()) if finding.layer or _LAYER not in tag]
    return next((tag for tag in names if tag in store.series and not tag.startswith("loss/")), "")


def page_of(run: OpenRun, finding: Finding) -> Page:
    """What the page says, from the run's log."""
    rule = next((one for one in RULES if one.name == finding.rule), None)
    others = [one for one in run.findings if one is not finding and one.cleared is None]
    known = proofs(run.store)
    cures = tuple(_cure(one, run.store, known) for one in remedies_of(finding))
    told = {text for cure in cures for text in cure.did}
    return Page(
        text=finding.text,
        severity=finding.severity,
        state=_state(finding),
        numbers=tuple((name.replace("_", " "), number(value)) for name, value in finding.evidence.items()),
        meaning=rule.meaning if rule else "",
        causes=tuple(f"{one.rule}: {one.text}" for one in others if one.rule == finding.explained_by),
        effects=tuple(f"{one.rule}: {one.text}" for one in others if one.explained_by == finding.rule),
        cures=cures,
        changes=tuple(text for one in known if one.change.step >= finding.step and (text := _told(one)) not in told),
    )


def _state(finding: Finding) -> str:
    seen = f"seen from step {count(finding.step)} on, told at step {count(finding.raised)}"
    return seen if finding.cleared is None else f"{seen}, over since step {count(finding.cleared)}"


def _cure(remedy: Remedy, store: Store, known: list[Proof]) -> Cure:
    did = tuple(_told(one) for one in known if set(one.change.levers) == set(remedy.levers))
    return Cure(moves_text(remedy), remedy.why, cannot(remedy, store.levers), did)


def _told(proof: Proof) -> str:
    return f"{', '.join(proof.change.levers)} at step {count(proof.change.step)} {proof.text}"
