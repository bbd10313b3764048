"""The single table of keys: bindings, footer, help screen and command palette are all built from it.

Knows the commands that keys send, but not how they reach the run or what the screens look like.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

from tuimon.log.records import Command, LeverInfo

Place = Literal["home", "run", "compare", "study", "launch", "check"]
Group = Literal["Steer the run", "When it is over", "View", "Navigate"]
Levers = Mapping[str, LeverInfo]

STEER: Group = "Steer the run"
AGAIN: Group = "When it is over"
LOOK: Group = "View"
GO: Group = "Navigate"


@dataclass(frozen=True, slots=True)
class Key:
    """One key and all its texts.

    `label` is for the footer (empty: shown in the help only), `help` for the help screen and the palette. `command` is what the
    key sends to the run, if anything; `label_of` returns the label for the levers' current state. `needs` is a lever the key
    requires.
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
        """The key as printed in the footer and the help."""
        return self.shown or self.key

    @property
    def ascii_name(self) -> str:
        """The same in words, for terminals without arrow characters."""
        return self.name.replace("←", "left").replace("→", "right")

    def label_now(self, levers: Levers) -> str:
        """The footer's label for the levers' current state."""
        return self.label_of(levers) if self.label_of else self.label


def _is_on(levers: Levers, name: str) -> bool:
    return name in levers and levers[name].value is True


def _pause_label(levers: Levers) -> str:
    return "resume" if _is_on(levers, "paused") else "pause"


def _regularization_label(levers: Levers) -> str:
    off = "regularization" in levers and levers["regularization"].value is False
    return "reg on" if off else "reg off"


def _autopilot_label(levers: Levers) -> str:
    return "autopilot off" if _is_on(levers, "autopilot") else "autopilot"


_RUN: tuple[Place, ...] = ("run",)
_HOME: tuple[Place, ...] = ("home",)
_CURVES: tuple[Place, ...] = ("run", "compare")
_STUDY: tuple[Place, ...] = ("study",)
_ALL: tuple[Place, ...] = ("home", "run", "compare", "study", "launch", "check")


def _steer(key: str, label: str, told: str, command: Command, label_of: Callable[[Levers], str] | None = None) -> Key:
    return Key(key, f"steer('{key}')", label, told, STEER, ("run", "home"), command=command, label_of=label_of)


KEYS: tuple[Key, ...] = (
    Key("enter", "open", "open", "Open the selected run", GO, _HOME),
    Key("y", "study", "study", "Open the study of the selected trial", GO, _HOME),
    Key("enter", "open", "open", "Open the selected trial: look at it, steer it", GO, _STUDY),
    Key("X", "prune", "prune", "Prune the selected trial: it ends, and the study counts it as pruned", STEER, _STUDY),
    Key("s", "stop_search", "stop search", "Start no more trials, where the screen has started the search", STEER, _STUDY),
    Key("b", "best", "launch best", "Open the form with what the best trial trains, to train it for longer", GO, _STUDY),
    Key("t", "sort", "sort", "Sort by the next column; the mouse sorts by any", GO, _STUDY),
    Key(
        "v", "next_view", "next picture", "Best so far, a parameter, parallel coordinates, importance, all curves", LOOK, _STUDY
    ),
    *(Key(f"{n}", f"view({n})", "", f"Picture {n} of a study", LOOK, _STUDY) for n in range(1, 6)),
    Key("left", "parameter(-1)", "", "The parameter before, against the objective", LOOK, _STUDY, shown="←"),
    Key("right", "parameter(1)", "parameter", "The next parameter, against the objective", LOOK, _STUDY, shown="→"),
    Key("space", "mark", "mark", "Mark or unmark the selected run", GO, _HOME),
    Key("o", "overlay", "overlay", "Compare the marked runs' curves", GO, _HOME),
    Key("slash", "filter", "filter", "Filter the runs: by words, lr>=1e-3, model=cnn, state:failed", GO, _HOME, shown="/"),
    Key("t", "sort", "sort", "Change the sort order: newest, name, loss, speed", GO, _HOME),
    Key(
        "a",
        "fold_seeds",
        "",
        "Show runs that differ in their seed alone as one: mean and spread; or each again",
        LOOK,
        ("home", "compare"),
    ),
    Key("C", "columns", "", "Choose the columns of the list: name, val, lr, …", LOOK, _HOME),
    _steer("h", "halve LR", "Halve the learning rate", Command("lr_scale", "multiply", 0.5)),
    _steer("H", "double LR", "Double the learning rate", Command("lr_scale", "multiply", 2.0)),
    _steer(
        "r",
        "regularization",
        "Turn all regularizers off, or restore exactly what they were",
        Command("regularization", "toggle"),
        _regularization_label,
    ),
    _steer("p", "pause", "Pause training after the current step, or resume it", Command("paused", "toggle"), _pause_label),
    _steer("c", "checkpoint", "Save a checkpoint now", Command("checkpoint", "do")),
    _steer("u", "undo", "Undo the last lever change", Command("undo", "do")),
    _steer(
        "A",
        "autopilot",
        "Switch the autopilot on or off: it applies fixes, and undoes what does harm",
        Command("autopilot", "toggle"),
        _autopilot_label,
    ),
    Key("f", "fix", "apply fix", "Apply the fix that the latest finding suggests", STEER, _RUN),
    Key("s", "stop", "stop", "Stop the run after the current step; asks first", STEER, ("run", "home")),
    Key("R", "resume", "resume", "Resume a run that is over, as it was or for longer", AGAIN, ("run", "home")),
    Key("P", "replay", "replay", "Train it again with the same interventions at the same steps", AGAIN, ("run", "home")),
    Key("F", "fork", "fork", "Start a new run from this one's checkpoint, with something different", AGAIN, ("run", "home")),
    Key("L", "launch_like", "launch like", "Open the form with what this run trained", AGAIN, ("run", "home")),
    Key(
        "i", "about", "info", "Show what a run is: configuration, command, versions, device, seed", GO, ("run", "home", "study")
    ),
    Key("S", "keep_best", "keep best", "Stop all marked runs but the best; asks first", STEER, _HOME),
    Key("e", "edit_lever", "set lever", "Set any lever to a value, like `tuimon set`", STEER, ("run", "home")),
    Key("l", "app.launch", "launch", "Launch a new run", GO, ("home", "run", "compare")),
    Key("g", "chart('toggle_log')", "log y", "Switch the y axis between linear and log", LOOK, _CURVES),
    Key("m", "chart('next_smoothing')", "smooth", "Change the smoothing: none, light, medium, strong", LOOK, _CURVES),
    Key("x", "chart('next_axis')", "x axis", "Change the x axis: steps, time, epochs", LOOK, _CURVES),
    Key("w", "chart('toggle_raw')", "", "Show or hide the raw values behind smoothed curves", LOOK, _CURVES),
    Key("y", "chart('next_fit')", "", "Change the y range: without outliers, everything, fixed as it is", LOOK, _CURVES),
    Key("plus,equals_sign", "chart('zoom_in')", "", "Zoom in at the cursor, or at the latest values", LOOK, _CURVES, shown="+"),
    Key("minus", "chart('zoom_out')", "", "Zoom out", LOOK, _CURVES, shown="-"),
    Key("left", "chart('cursor_left')", "", "Move the cursor left to read off values", LOOK, _CURVES, shown="←"),
    Key("right", "chart('cursor_right')", "", "Move the cursor right", LOOK, _CURVES, shown="→"),
    Key("shift+left", "chart('pan', -1)", "", "Pan left", LOOK, _CURVES, shown="shift+←"),
    Key("shift+right", "chart('pan', 1)", "", "Pan right", LOOK, _CURVES, shown="shift+→"),
    Key("end", "chart('follow')", "", "Follow the latest values again, keeping the zoom", LOOK, _CURVES),
    Key("0", "chart('reset')", "", "Show the whole run again and hide the cursor", LOOK, _CURVES),
    Key("v", "samples", "samples", "Look at validation samples: truth, prediction and loss, the worst first", GO, _RUN),
    Key("v", "hide", "hide run", "Hide the selected run of the table from the charts, or show it again", LOOK, ("compare",)),
    Key("colon", "go_to", "", "Go to a step, time or epoch by typing it", LOOK, _CURVES, shown=":"),
    Key("G", "grid", "", "Choose rows and columns of the small charts", LOOK, _CURVES),
    Key("k", "distribution", "", "Switch the histogram between gradients, activations, weights and updates", LOOK, _RUN),
    Key("K", "all_layers", "", "Switch the histogram between one layer over time and all layers side by side", LOOK, _RUN),
    Key(
        "slash",
        "filter",
        "filter",
        "Filter the focused list or the charts: words, a | b, !word, loss/*, /regex/",
        GO,
        _CURVES,
        shown="/",
    ),
    Key("z", "zoom_panel", "zoom", "Show one panel in the whole window, or all panels again", LOOK, _RUN),
    Key("right_square_bracket", "resize(0.05, 0)", "", "Give the loss more of the screen", LOOK, _RUN, shown="]"),
    Key("left_square_bracket", "resize(-0.05, 0)", "", "Give the loss less of the screen", LOOK, _RUN, shown="["),
    Key("greater_than_sign", "resize(0, -0.05)", "", "Move the border beside the loss to the right", LOOK, _RUN, shown=">"),
    Key("less_than_sign", "resize(0, 0.05)", "", "Move the border beside the loss to the left", LOOK, _RUN, shown="<"),
    Key("d", "hide_panel", "", "Hide the focused panel", LOOK, _RUN),
    Key("D", "show_panels", "", "Show all panels again, in their usual sizes", LOOK, _RUN),
    Key("1,2,3,4,5,6,7,8,9", "", "", "Go to the panel with this number", LOOK, _RUN, shown="1…9"),
    Key("tab", "next_panel", "next panel", "Go to the next panel", GO, _RUN),
    Key("shift+tab", "previous_panel", "", "Go to the previous panel", GO, _RUN),
    Key("n", "next_run", "next run", "Go to the next run that is training or open", GO, _RUN),
    Key("escape", "back", "", "Clear the filter", GO, _HOME, shown="esc"),
    Key("ctrl+s", "start", "launch", "Launch the run", GO, ("launch", "check")),
    Key("ctrl+o", "presets", "presets", "Search the presets, with a preview of each", GO, ("launch",)),
    Key("ctrl+t", "check", "check", "Check the data, model, gradients and learning rate before training", GO, ("launch",)),
    Key("ctrl+e", "own_help", "--help", "Show what your own program prints with --help", GO, ("launch",)),
    Key("ctrl+y", "copy", "copy command", "Copy the equivalent shell command", GO, ("launch",)),
    Key("escape", "back", "back", "Back to the list of runs", GO, ("run", "compare", "study", "launch"), shown="esc"),
    Key("escape", "back", "back", "Back to the form", GO, ("check",), shown="esc"),
    Key("f1", "app.help", "help", "Show this help", GO, ("launch",)),
    Key("ctrl+p", "app.command_palette", "palette", "Search all commands, themes and more", GO, _ALL),
    Key("q", "app.leave", "quit", "Quit tuimon; runs keep training", GO, ("home", "run", "compare", "study")),
    Key("question_mark,f1", "app.help", "help", "Show this help", GO, ("home", "run", "compare", "study", "check"), shown="?"),
)


def keys_of(place: Place) -> list[Key]:
    """The keys of a screen, in table order."""
    return [key for key in KEYS if place in key.places]


def bindings(place: Place) -> list[BindingType]:
    """A screen's Textual bindings. None has `show`: tuimon draws its own footer."""
    return [binding for key in keys_of(place) for binding in _bind(key)]


def steering(name: str) -> Key:
    """The key with that name, which sends a command. Raises KeyError."""
    return _STEERING[name]


def _bind(key: Key) -> list[BindingType]:
    if key.action:
        return [Binding(key.key, key.action, key.help, show=False)]
    return [Binding(digit, f"panel({digit})", key.help, show=False) for digit in key.key.split(",")]


_STEERING = {key.key: key for key in KEYS if key.command}
