"""Help: what the keys do, made from the table of keys and from the panels' own bindings."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

from tuimon.viewer.keys import Place, keys_of

_TITLES = {"home": "Keys in the list of runs", "run": "Keys on a run", "compare": "Keys", "launch": "Keys", "check": "Keys"}
_KEY_WIDTH = 12

ABOUT = {
    "run": "A key that steers sends a command to the run; it stands as requested until the run's log says at which step "
    "it was applied. Every change can be undone with u; only stop asks first. Greyed keys: the run cannot do that.",
    "home": "Runs that train come first. Closing this screen stops no run.",
    "compare": "Each run has one colour and one stroke, in the charts as in the table, where * marks the best. "
    "tab goes to the small charts, up and down from one to the next, enter shows it big.",
    "launch": "Each field begins with what the preset says. tab and shift+tab move between fields, enter launches.",
    "check": "What fails should be mended before training. Nothing that is looked at is changed.",
}


class HelpText(Static):
    """The help, broken into lines for the width there is."""

    def __init__(self, place: Place, ascii: bool) -> None:
        super().__init__()
        self._place: Place = place
        self._ascii = ascii

    def on_resize(self, event: events.Resize) -> None:
        """Another width breaks other lines."""
        about, *sections = help_text(self._place, self._ascii, event.size.width).split("\n\n")
        self.update(Content("\n\n").join([Content(about), *map(_styled, sections)]))


class HelpScreen(ModalScreen[None]):
    """All keys of a screen, by group."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,question_mark,f1,q,enter", "dismiss", "close")]

    def __init__(self, place: Place, ascii: bool = False) -> None:
        super().__init__()
        self._place: Place = place
        self._ascii = ascii

    def compose(self) -> ComposeResult:
        """One text that scrolls."""
        with VerticalScroll(classes="dialog help") as box:
            box.border_title = _TITLES[self._place]
            box.border_subtitle = "esc closes"
            yield HelpText(self._place, self._ascii)

    def on_mount(self) -> None:
        """Arrow keys scroll."""
        self.query_one(VerticalScroll).focus()

    def on_screen_resume(self) -> None:
        """Begins at the top again."""
        for box in self.query(VerticalScroll):
            box.scroll_home(animate=False)


def help_text(place: Place, ascii: bool = False, width: int = 96) -> str:
    """The help of one screen, as plain text: what a key does stays in its column."""
    sections = [textwrap.fill(ABOUT[place], max(width, 1))]
    groups = dict.fromkeys(key.group for key in keys_of(place))
    for group in groups:
        rows = [(key.ascii_name if ascii else key.name, key.help) for key in keys_of(place) if key.group == group]
        sections.append(_section(group, rows, width))
    if place == "run":
        sections += [_section(title, rows, width) for title, rows in _panel_keys()]
    text = "\n\n".join(sections)
    return text.translate(_TO_ASCII) if ascii else text


_TO_ASCII = str.maketrans({"←": "left", "→": "right", "…": "-", "·": "-"})


def _section(title: str, rows: Iterable[tuple[str, str]], width: int) -> str:
    return "\n".join([title, *(_told(name, told, width) for name, told in rows)])


def _told(name: str, told: str, width: int) -> str:
    head = f"  {name:<{_KEY_WIDTH}} "
    lines = textwrap.wrap(told, max(width - len(head), 8)) or [""]
    return head + f"\n{' ' * len(head)}".join(lines)


def _styled(section: str) -> Content:
    """A section whose title and keys stand out."""
    title, *rows = section.split("\n")
    at = _KEY_WIDTH + 2
    lines = [Content.assemble((row[:at], "bold $accent"), row[at:]) for row in rows]
    return Content("\n").join([Content.styled(title, "bold underline"), *lines])


def _panel_keys() -> list[tuple[str, list[tuple[str, str]]]]:
    """What a panel's own keys do while it has the focus."""
    from tuimon.viewer.widgets import LayerTable, LeverPanel

    panels = {"In the layer table": LayerTable, "In the levers": LeverPanel}
    return [
        (title, [_row(binding) for binding in panel.BINDINGS if isinstance(binding, Binding)])
        for title, panel in panels.items()
    ]


def _row(binding: Binding) -> tuple[str, str]:
    keys = binding.key_display or binding.key.replace("question_mark", "?").replace("less_than_sign", "<")
    return keys.replace("greater_than_sign", ">").replace(",", " "), binding.description
