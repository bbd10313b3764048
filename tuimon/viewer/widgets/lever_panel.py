"""The run's levers: their values, the state of the latest commands, and the keys and clicks that move them."""

from __future__ import annotations

import time
from collections.abc import Hashable
from dataclasses import dataclass
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from tuimon.base import format
from tuimon.log.batch import EventRecord
from tuimon.log.records import Applied, Command, LeverInfo, Refused
from tuimon.log.store import Store
from tuimon.viewer.draw.rows import Row, Span, cells, cut, width_of
from tuimon.viewer.widgets.row_list import RowList
from tuimon.viewer.widgets.wording import lever_value

_VALUE = 12
_LEAST_HELP = 24  # fewer cells than this are too few for a help text
_REFUSED_FOR_S = 10.0  # how long a refusal stays beside the unchanged value


@dataclass(frozen=True)
class _Outcome:
    """The state of a lever's latest command."""

    text: str
    style: str
    command_id: str = ""
    short: str = ""  # for narrow panels; empty: cut the text to fit

    @property
    def is_refusal(self) -> bool:
        """Whether the command changed nothing."""
        return self.style == "bad"


class LeverPanel(RowList):
    """One row per lever. A command shows as requested until the log says that it was applied, or refused and why."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("space", "choose", "Turn the lever on or off, or run its action", show=False),
        Binding("less_than_sign", "multiply(0.5)", "Halve the value", show=False),
        Binding("greater_than_sign", "multiply(2.0)", "Double the value", show=False),
        Binding("backspace", "default", "Restore the value at the start", show=False),
    ]
    has_cursor = True

    class Asked(Message):
        """The user asks to move a lever. The command has no id yet: the sender adds it."""

        def __init__(self, panel: LeverPanel, command: Command) -> None:
            super().__init__()
            self.panel = panel
            self.command = command

        @property
        def control(self) -> LeverPanel:
            """The panel."""
            return self.panel

    class EditAsked(Message):
        """The user asks to enter a value for a lever."""

        def __init__(self, panel: LeverPanel, lever: LeverInfo) -> None:
            super().__init__()
            self.panel = panel
            self.lever = lever

        @property
        def control(self) -> LeverPanel:
            """The panel."""
            return self.panel

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._levers: list[LeverInfo] = []
        self._outcomes: dict[str, _Outcome] = {}
        self._events_read = 0

    def on_mount(self) -> None:
        """Sets the panel's title."""
        self.border_title = "levers"

    def watched(self, store: Store) -> Hashable:
        """Levers change only through events."""
        return len(store.events)

    def take(self, store: Store) -> None:
        """Reads the answers that the log has brought."""
        self._levers = list(store.levers.values())
        if self._events_read > len(store.events):
            self._events_read, self._outcomes = 0, {}
        for record in store.events[self._events_read :]:
            self._answer(record)
        self._events_read = len(store.events)

    def update_from(self, store: Store) -> None:
        """Shows the store's levers; another run starts without this one's answers."""
        if store is not self.store:
            self._events_read, self._outcomes = 0, {}
        super().update_from(store)

    def requested(self, command: Command) -> None:
        """Shows a sent command as requested until it is answered."""
        self._outcomes[command.lever] = _Outcome(f"{_asked(command, self.ascii)} requested".lstrip(), "warn", command.id)
        self.redraw()

    def failed(self, command_id: str, reason: str) -> None:
        """Shows that a command could not be sent."""
        for lever, outcome in self._outcomes.items():
            if outcome.command_id == command_id:
                self._refuse(lever, f"not sent: {reason}", _REFUSED_FOR_S)
        self.redraw()

    def count(self) -> int:
        """One row per lever."""
        return len(self._levers)

    def row(self, index: int, width: int) -> Row:
        """Name, value, and the result of the latest command; shorter in a narrow panel."""
        lever = self._levers[index]
        value, style = self._value(lever)
        outcome = self._outcomes.get(lever.name)
        name = Span(lever.name + " " * (self._name_width - cells(lever.name) + 1), "name" if lever.type != "action" else "key")
        room = width - cells(name.text) - max(_VALUE, len(value)) - 1
        padded = Span(f"{value:<{_VALUE}} ", style)
        if outcome is None:
            return [name, padded, Span(cut(lever.help, room, self.ascii) if room >= _LEAST_HELP else "", "dim")]
        if len(outcome.text) <= room:
            return [name, padded, Span(outcome.text, outcome.style)]
        known = [] if lever.type == "action" else [Span(f"{value} ", style)]
        left = width - width_of([name, *known])
        return [name, *known, Span(cut(outcome.short or outcome.text, left, self.ascii), outcome.style)]

    def draw(self, width: int, height: int) -> list[Row]:
        """The levers; the border shows what the lever under the cursor does."""
        told = self._current()
        self.subtitle(cut(told.help, width - 2, self.ascii) if told and self.has_focus else "")
        return super().draw(width, height)

    def watch_has_focus(self, has_focus: bool) -> None:
        """Shows or hides what the lever does."""
        super().watch_has_focus(has_focus)
        self.redraw()

    def empty_text(self) -> str:
        """What will appear."""
        return "No levers yet.\nOnce training starts, you can change the learning rate, regularizers and more here."

    def chosen(self, index: int) -> None:
        """Runs an action, toggles an on/off lever, or asks for a choice."""
        lever = self._levers[index]
        if lever.type == "choice":
            self.post_message(self.EditAsked(self, lever))
        else:
            self._ask(Command(lever.name, "do" if lever.type == "action" else "toggle"))

    def clicked(self, index: int, x: int, times: int) -> None:
        """Clicking a value or double-clicking a row acts like enter; clicking a name only moves the cursor."""
        if x >= self._name_width and times == 1:
            self.chosen(index)

    def action_multiply(self, factor: float) -> None:
        """Halves or doubles the number under the cursor."""
        lever = self._current()
        if lever and lever.type == "number":
            self._ask(Command(lever.name, "multiply", factor))

    def action_default(self) -> None:
        """Restores the lever's value at the start."""
        lever = self._current()
        if lever and lever.type != "action":
            self._ask(Command(lever.name, "default"))

    def action_edit(self) -> None:
        """Asks for a value."""
        lever = self._current()
        if lever and lever.type in ("number", "choice"):
            self.post_message(self.EditAsked(self, lever))

    @property
    def current(self) -> LeverInfo | None:
        """The lever under the cursor."""
        return self._current()

    def _current(self) -> LeverInfo | None:
        return self._levers[self.cursor] if self.cursor < len(self._levers) else None

    @property
    def _name_width(self) -> int:
        return max((cells(lever.name) for lever in self._levers), default=0)

    def _ask(self, command: Command) -> None:
        self.post_message(self.Asked(self, command))

    def _value(self, lever: LeverInfo) -> tuple[str, str]:
        if lever.type == "action":
            return "[do]", "key"
        on = lever.enabled and lever.value is not False
        return lever_value(lever.value, lever.enabled, self.ascii), "value" if on else "dim"

    def _answer(self, record: EventRecord) -> None:
        """Shows an answer, which replaces earlier refusals. Old answers, replayed from a log, are not shown."""
        event = record.event
        if not isinstance(event, Applied | Refused):
            return
        self._settle(event)
        waiting = self._outcomes.get(event.lever)
        if waiting and waiting.command_id and event.id and waiting.command_id != event.id:
            return  # the answer to an earlier command; a later one is still pending
        if isinstance(event, Applied):
            at = format.count(event.step)
            short = f"{'done ' if event.old is None else ''}at {at}"
            self._outcomes[event.lever] = _Outcome(f"{_moved(event, self.ascii)} at step {at}", "good", short=short)
        else:
            self._refuse(event.lever, f"refused: {event.reason}", record.wall_time + _REFUSED_FOR_S - time.time())

    def _settle(self, event: Applied | Refused) -> None:
        """Clears what an answer replaces: refusals, and its own request if another lever was moved, as by undo."""
        for lever, outcome in list(self._outcomes.items()):
            if outcome.is_refusal or (event.id and outcome.command_id == event.id):
                del self._outcomes[lever]

    def _refuse(self, lever: str, text: str, for_s: float) -> None:
        """Shows for a while that a lever was not moved."""
        if for_s <= 0:
            self._outcomes.pop(lever, None)
            return
        refusal = self._outcomes[lever] = _Outcome(text, "bad")
        self.set_timer(min(for_s, _REFUSED_FOR_S), lambda: self._fade(lever, refusal))

    def _fade(self, lever: str, refusal: _Outcome) -> None:
        if self._outcomes.get(lever) is refusal:
            del self._outcomes[lever]
            self.redraw()


def _moved(event: Applied, ascii: bool) -> str:
    if event.old is None:
        return event.note or "done"
    old, new = (lever_value(v, on, ascii) for v, on in ((event.old, event.old_enabled), (event.new, event.new_enabled)))
    return f"{old} {'->' if ascii else '→'} {new}"


def _asked(command: Command, ascii: bool) -> str:
    match command.op:
        case "multiply" if isinstance(command.value, int | float):
            return format.scale(float(command.value), ascii)
        case "set":
            return lever_value(command.value, ascii=ascii)
        case "do":
            return ""
        case _:
            return command.op
