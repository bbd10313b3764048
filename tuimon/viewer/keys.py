"""The one table of keys: bindings, footer, help screen and command palette are all made from it.

Knows the commands that keys send, but nothing of how they travel or what the screens look like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

from tuimon.log.records import Command, LeverInfo

Place = Literal["home", "run", "compare", "launch", "check"]
Group = Literal["Steer the run", "Look closer", "Find your way"]
Levers = Mapping[str, LeverInfo]

STEER: Group = "Steer the run"
LOOK: Group = "Look closer"
GO: Group = "Find your way"


@dataclass(frozen=True, slots=True)
class Key:
    """One key and everything that is said about it.

    `label` is for the footer (empty: in the help only), `help` for the help screen and the palette. A key that sends a
    command has it in `command`; `label_of` names what the key would do now. `needs` is the lever it cannot do without.
    """

    key: str
    action: str
    label: str
    help: str
    group: Group
    places: tuple[Place, ...]
    shown: str = ""
    command: Command | None = None
    label_of: Callable[[Levers], str] | None = None

    @property
    def name(self) -> str:
        """What is printed on the key."""
        return self.shown or self.key

    @property
    def ascii_name(self) -> str:
        """The same in words where the terminal shows no arrows."""
        return self.name.replace("←", "left").replace("→", "right")

    def label_now(self, levers: Levers) -> str:
        """The footer's word for it, as things stand."""
        return self.label_of(levers) if self.label_of else self.label


def _is_on(levers: Levers, name: str) -> bool:
    return name in levers and levers[name].value is True


def _pause_label(levers: Levers) -> str:
    return "resume" if _is_on(levers, "paused") else "pause"


def _regularization_label(levers: Levers) -> str:
    off = "regularization" in levers and levers["regularization"].value is False
    return "reg on" if off else "reg off"


_RUN: tuple[Place, ...] = ("run",)
_HOME: tuple[Place, ...] = ("home",)
_CURVES: tuple[Place, ...] = ("run", "compare")
_ALL: tuple[Place, ...] = ("home", "run", "compare", "launch", "check")


def _steer(key: str, label: str, told: str, command: Command, label_of: Callable[[Levers], str] | None = None) -> Key:
    return Key(key, f"steer('{key}')", label, told, STEER, _RUN, command=command, label_of=label_of)


KEYS: tuple[Key, ...] = (
    Key("enter", "open", "open", "Open the run under the cursor", GO, _HOME),
    Key("space", "mark", "mark", "Mark the run, to overlay several", GO, _HOME),
    Key("o", "overlay", "overlay", "Overlay the curves of the marked runs", GO, _HOME),
    Key(
        "slash", "filter", "filter", "Show only the runs whose name, state, model or device has this text", GO, _HOME, shown="/"
    ),
    Key("t", "sort", "sort", "Sort by the next of: newest, name, loss, speed", GO, _HOME),
    _steer("h", "halve LR", "Halve the learning rate", Command("lr_scale", "multiply", 0.5)),
    _steer("H", "double LR", "Double the learning rate", Command("lr_scale", "multiply", 2.0)),
    _steer(
        "r",
        "regularization",
        "Switch all of the run's regularizers off, or back to exactly what they were",
        Command("regularization", "toggle"),
        _regularization_label,
    ),
    _steer("p", "pause", "Pause training between two steps, or resume it", Command("paused", "toggle"), _pause_label),
    _steer("c", "checkpoint", "Save a checkpoint now", Command("checkpoint", "do")),
    _steer("u", "undo", "Undo the last change made to a lever", Command("undo", "do")),
    Key("f", "fix", "apply fix", "Do what the latest finding advises", STEER, _RUN),
    Key("s", "stop", "stop", "Stop the run after its step; asks first", STEER, ("run", "home")),
    Key("e", "edit_lever", "set lever", "Set any lever to a value, as `tuimon set` does", STEER, _RUN),
    Key("l", "app.launch", "launch", "Launch a new run", GO, ("home", "run", "compare")),
    Key("g", "chart('toggle_log')", "log y", "Logarithmic or linear y axis", LOOK, _CURVES),
    Key("m", "chart('next_smoothing')", "smooth", "Next strength of smoothing", LOOK, _CURVES),
    Key("x", "chart('next_axis')", "x axis", "Steps, time or epochs along the x axis", LOOK, _CURVES),
    Key(
        "plus,equals_sign", "chart('zoom_in')", "", "Zoom in around the cursor, or the newest values", LOOK, _CURVES, shown="+"
    ),
    Key("minus", "chart('zoom_out')", "", "Zoom out", LOOK, _CURVES, shown="-"),
    Key("left", "chart('cursor_left')", "", "Move the cursor that reads values off to the left", LOOK, _CURVES, shown="←"),
    Key("right", "chart('cursor_right')", "", "Move the cursor to the right", LOOK, _CURVES, shown="→"),
    Key("shift+left", "chart('pan', -1)", "", "Pan to the left", LOOK, _CURVES, shown="shift+←"),
    Key("shift+right", "chart('pan', 1)", "", "Pan to the right", LOOK, _CURVES, shown="shift+→"),
    Key("end", "chart('follow')", "", "Follow the newest values again, at the same zoom", LOOK, _CURVES),
    Key("0", "chart('reset')", "", "The whole run again, without a cursor", LOOK, _CURVES),
    Key("k", "distribution", "", "Gradients or activations in the histogram through time", LOOK, _RUN),
    Key("z", "zoom_panel", "big", "One panel in the whole window, or all of them again", LOOK, _RUN),
    Key("1,2,3,4,5,6,7,8,9", "", "", "The panel of that number", LOOK, _RUN, shown="1…9"),
    Key("tab", "next_panel", "next panel", "Next panel", GO, _RUN),
    Key("shift+tab", "previous_panel", "", "Previous panel", GO, _RUN),
    Key("n", "next_run", "next run", "The next run that trains or is open", GO, _RUN),
    Key("escape", "back", "", "All runs again, without a filter", GO, _HOME, shown="esc"),
    Key("ctrl+s", "start", "launch", "Launch the run", GO, ("launch", "check")),
    Key("ctrl+t", "check", "check", "Look at it before training: data, model, gradients, learning rate", GO, ("launch",)),
    Key("ctrl+y", "copy", "copy command", "Copy the equivalent shell command", GO, ("launch",)),
    Key("escape", "back", "back", "Back to the list of runs", GO, ("run", "compare", "launch"), shown="esc"),
    Key("escape", "back", "back", "Back to the form", GO, ("check",), shown="esc"),
    Key("f1", "app.help", "help", "This help", GO, ("launch",)),
    Key("ctrl+p", "app.command_palette", "palette", "All commands, themes and more, by name", GO, _ALL),
    Key("q", "app.leave", "quit", "Leave the screen; runs go on training", GO, ("home", "run", "compare")),
    Key("question_mark,f1", "app.help", "help", "This help", GO, ("home", "run", "compare", "check"), shown="?"),
)


def keys_of(place: Place) -> list[Key]:
    """The keys that work on a screen, in the order of the table."""
    return [key for key in KEYS if place in key.places]


def bindings(place: Place) -> list[BindingType]:
    """A screen's bindings. None is shown by Textual: the footer is ours."""
    return [binding for key in keys_of(place) for binding in _bind(key)]


def steering(name: str) -> Key:
    """The key that sends a command, by its name. Raises KeyError."""
    return _STEERING[name]


def _bind(key: Key) -> list[BindingType]:
    if key.action:
        return [Binding(key.key, key.action, key.help, show=False)]
    return [Binding(digit, f"panel({digit})", key.help, show=False) for digit in key.key.split(",")]


_STEERING = {key.key: key for key in KEYS if key.command}
