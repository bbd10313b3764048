"""Help: what the keys do, built from the table of keys and the panels' own bindings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Static

from tuimon.viewer.explained import EXPLAINED
from tuimon.viewer.keys import Place, keys_of
from tuimon.viewer.screens.reading import Reading

_TITLES = {
    "home": "Keys in the list of runs",
    "run": "Keys on a run",
    "compare": "Keys",
    "study": "Keys",
    "launch": "Keys",
    "check": "Keys",
}
_KEY_WIDTH = 12

ABOUT = {
    "run": "Steering keys send a command to the run, shown as requested until the run's log confirms the step at which it was "
    "applied. u undoes any change; only stop asks first. Greyed-out keys do not work on this run. In a legend, ~ marks a "
    "smoothed value, and `y cut` says that outliers lie outside of the chart.",
    "home": "Live runs come first. Quitting does not stop any run. Keys that steer act on all marked runs, or on the selected "
    "one, and ask first. A filter takes words (all of them), a | b, !word, loss/*, /regex/, and lr>=1e-3, model=cnn, "
    "state:failed.",
    "compare": "Each run keeps its colour and line style in all charts and in the table, where * marks the best value, and "
    "only settings that differ have a column. Press tab to reach the small charts and the table.",
    "study": "The table has a row a trial, the best first, marked with *. Opening a trial shows its run, which can be steered "
    "like any other. Bright lines and points are the best quarter; dim curves are of trials that ended without a value.",
    "launch": "Fields start with the preset's values. Press tab or shift+tab to move between them, enter to launch.",
    "check": "Fix what fails before you train. The check does not change anything.",
}


class HelpText(Static):
    """The help text, wrapped to the available width."""

    def __init__(self, place: Place, ascii: bool) -> None:
        super().__init__()
        self._place: Place = place
        self._ascii = ascii
        self._panel = ""

    def explain(self, panel: str) -> None:
        """Begins with what a panel shows."""
        self._panel = panel
        self._wrap(self.size.width)

    def on_resize(self, event: events.Resize) -> None:
        """Wraps the text again."""
        self._wrap(event.size.width)

    def _wrap(self, width: int) -> None:
        if not width:
            return
        parts = help_text(self._place, self._ascii, width).split("\n\n")
        panel = panel_text(self._panel, self._ascii, width)
        first = [_titled(panel)] if panel else []
        self.update(Content("\n\n").join([*first, Content(parts[0]), *map(_styled, parts[1:])]))


class HelpScreen(ModalScreen[None]):
    """All keys of a screen, by group."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,f1,q,enter", "dismiss", "close")]

    def __init__(self, place: Place, ascii: bool = False) -> None:
        super().__init__()
        self._place: Place = place
        self._ascii = ascii
        self.panel = ""  # the id of the panel to explain

    def compose(self) -> ComposeResult:
        """One scrolling text."""
        with Reading(classes="dialog help") as box:
            box.border_title = _TITLES[self._place]
            box.border_subtitle = "esc to close"
            yield HelpText(self._place, self._ascii)

    def on_mount(self) -> None:
        """Focuses the text, so that the arrow keys scroll it."""
        self.query_one(Reading).focus()

    def on_screen_resume(self) -> None:
        """Starts at the top again, with the panel that has the focus now."""
        for box in self.query(Reading):
            box.scroll_home(animate=False)
        for text in self.query(HelpText):
            text.explain(self.panel)


def help_text(place: Place, ascii: bool = False, width: int = 96) -> str:
    """The help of one screen as plain text, with the explanations in a column of their own."""
    sections = [textwrap.fill(ABOUT[place], max(width, 1))]
    groups = dict.fromkeys(key.group for key in keys_of(place))
    for group in groups:
        rows = [(key.ascii_name if ascii else key.name, key.help) for key in keys_of(place) if key.group == group]
        sections.append(_section(group, rows, width))
    sections.append(_section("In lists and texts", _MOTIONS, width))
    if place in ("run", "compare"):
        sections += [_section(title, rows, width) for title, rows in _panel_keys(place)]
    text = "\n\n".join(sections)
    return text.translate(_TO_ASCII) if ascii else text


def panel_of(focused: Widget | None) -> str:
    """The id of the panel that has the focus, or in which something has; empty if there is none."""
    within = focused.ancestors_with_self if focused else ()
    return next((str(one.id) for one in within if one.id in EXPLAINED), "")


def panel_text(panel: str, ascii: bool = False, width: int = 96) -> str:
    """What a panel shows, as a title and a paragraph; empty for one that nobody has explained."""
    if panel not in EXPLAINED:
        return ""
    title, told = EXPLAINED[panel]
    text = f"This panel: {title}\n{textwrap.fill(told, max(width, 1))}"
    return text.translate(_TO_ASCII) if ascii else text


def _titled(text: str) -> Content:
    title, _, rest = text.partition("\n")
    return Content("\n").join([Content.styled(title, "bold underline"), Content(rest)])


_MOTIONS = (
    ("↑ ↓", "Move by a row; j and k do the same"),
    ("home end", "Go to the first or last row; so do gg and G where they have no other meaning"),
)
_TO_ASCII = str.maketrans({"↑": "up", "↓": "down", "←": "left", "→": "right", "…": "-", "·": "-"})


def _section(title: str, rows: Iterable[tuple[str, str]], width: int) -> str:
    return "\n".join([title, *(_told(name, told, width) for name, told in rows)])


def _told(name: str, told: str, width: int) -> str:
    head = f"  {name:<{_KEY_WIDTH}} "
    lines = textwrap.wrap(told, max(width - len(head), 8)) or [""]
    return head + f"\n{' ' * len(head)}".join(lines)


def _styled(section: str) -> Content:
    """A section with its title and keys highlighted."""
    title, *rows = section.split("\n")
    at = _KEY_WIDTH + 2
    lines = [Content.assemble((row[:at], "bold $accent"), row[at:]) for row in rows]
    return Content("\n").join([Content.styled(title, "bold underline"), *lines])


def _panel_keys(place: Place) -> list[tuple[str, list[tuple[str, str]]]]:
    """The keys of panels that have their own, which work while the panel has the focus."""
    from tuimon.viewer.widgets import ChartGrid, ConsoleView, LayerTable, LeverPanel
    from tuimon.viewer.widgets.drawn import Drawn

    panels: dict[str, type[Drawn]] = {"In the small charts": ChartGrid}
    if place == "run":
        panels |= {"In the layer table": LayerTable, "In the levers": LeverPanel, "In the console": ConsoleView}
    return [
        (title, [_row(binding) for binding in panel.BINDINGS if isinstance(binding, Binding)])
        for title, panel in panels.items()
    ]


def _row(binding: Binding) -> tuple[str, str]:
    keys = binding.key_display or binding.key.replace("question_mark", "?").replace("less_than_sign", "<")
    return keys.replace("greater_than_sign", ">").replace(",", " "), binding.description
