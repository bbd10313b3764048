"""Lever settings as users type them, and a run's answers as users read them. Pure functions."""

from __future__ import annotations

import getpass
import math
import os
import uuid

from tuimon.base import format
from tuimon.base.errors import TuimonError
from tuimon.base.process import host_name
from tuimon.log.records import Applied, Command, LeverValue, Refused

_EXAMPLES = "Examples: lr_scale=0.5  lr_scale=*0.5  l2=1e-4  dropout=off  l1=default  regularization=toggle  pause  checkpoint"
_WORDS = ("on", "off", "toggle", "default")
_ALIASES = {"pause": Command("paused", "on"), "resume": Command("paused", "off")}


def parse_setting(text: str, by: str = "") -> Command:
    """Parses `NAME=value`, `NAME=*factor`, `NAME=on|off|toggle|default`, or `NAME` for an action.

    Name and bounds are checked by the run, because only the run knows its levers.

    Raises:
        TuimonError: the text has none of these forms.
    """
    name, equals, value = (part.strip() for part in text.partition("="))
    if not name or (equals and not value):
        raise TuimonError(f"Cannot read the lever setting {text!r}: it is not NAME=value.", _EXAMPLES)
    told = _command(name, value if equals else None)
    return Command(told.lever, told.op, told.value, by=by or author(), id=uuid.uuid4().hex)


def _command(name: str, value: str | None) -> Command:
    if value is None:
        return _ALIASES.get(name) or Command(name, "do")
    if value in _WORDS:
        return Command(name, value)  # type: ignore[arg-type]
    if value.startswith("*"):
        return Command(name, "multiply", _finite(name, _number(value[1:]), value[1:]))
    number = _number(value)
    if number is not None:
        return Command(name, "set", _finite(name, number, value))
    return Command(name, "set", {"true": True, "false": False}.get(value.lower(), value))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _finite(name: str, number: float | None, text: str) -> float:
    if number is None or not math.isfinite(number):
        raise TuimonError(f"Cannot set {name} to {text!r}: it must be a finite number.", _EXAMPLES)
    return number


def author() -> str:
    """The user who sends a command, as user@host."""
    try:
        return f"{getpass.getuser()}@{host_name()}"
    except (KeyError, OSError):
        return f"{os.getuid()}@{host_name()}"


def describe(answer: Applied | Refused) -> str:
    """One line: `applied at step 1 204: lr_scale 1 → 0.5 (lr 0.001 → 0.0005)`, or why it was refused."""
    if isinstance(answer, Refused):
        asked = "" if answer.value is None else f"={value_text(answer.value)}"
        at = f" at step {format.count(answer.step)}" if answer.step else ""  # none if the training loop never saw it
        return f"refused{at}: {answer.lever}{asked}: {answer.reason}"
    note = f" ({answer.note})" if answer.note else ""
    return f"applied at step {format.count(answer.step)}: {answer.lever}{_change(answer)}{note}"


def _change(answer: Applied) -> str:
    if answer.old is None:  # an action, whose note says what it did
        return ""
    return f" {value_text(answer.old, answer.old_enabled)} → {value_text(answer.new, answer.new_enabled)}"


def value_text(value: LeverValue, enabled: bool = True) -> str:
    """A lever's value: `0.5`, `on`, `off`, `0.1 (off)`."""
    if isinstance(value, bool):
        return "on" if value else "off"
    text = "–" if value is None else f"{value:g}" if isinstance(value, int | float) else value
    return text if enabled else f"{text} (off)"
