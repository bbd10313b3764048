"""Info: what a run is, in a scrolling text."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tuimon.viewer.about import Fact, Section, about
from tuimon.viewer.plain_text import said
from tuimon.viewer.screens.reading import Reading


class AboutScreen(ModalScreen[None]):
    """What a run is. Settings that differ from the preset's are bold, with the preset's value."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,i,q,enter", "dismiss", "close")]

    def __init__(self, run: Path, ascii: bool = False) -> None:
        super().__init__()
        self._run = run

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        with Reading(classes="dialog help") as box:
            box.border_title = said(self.app, self._run.name)
            box.border_subtitle = "esc to close"
            yield Static(id="about", markup=False)

    def on_mount(self) -> None:
        """Reads the run's log, and focuses the text, so that the arrow keys scroll it."""
        sections = [_told(section) for section in about(self._run)]
        self.query_one("#about", Static).update(Content("\n\n").join(sections) if sections else "Its log says nothing.")
        self.query_one(Reading).focus()


def _told(section: Section) -> Content:
    width = min(max(len(fact.name) for fact in section.facts), 30)
    return Content("\n").join([Content.styled(section.title, "bold underline"), *(_row(fact, width) for fact in section.facts)])


def _row(fact: Fact, width: int) -> Content:
    name = f"  {fact.name:<{width}}  "
    if fact.preset is None:
        return Content.assemble((name, "$text-muted"), fact.value)
    return Content.assemble(
        (f"* {name[2:]}", "bold $accent"), (fact.value, "bold"), (f"   (preset: {fact.preset})", "$text-muted")
    )
