"""A lever setting that is being typed, judged by what the run's log says of its levers. Knows no widget.

The run itself has the last word: a lever of a script's own may refuse more than its type and bounds tell.
"""

from __future__ import annotations

import math

from tuimon.errors import TuimonError
from tuimon.launcher.commands import parse_setting
from tuimon.log.records import Command, LeverInfo, LeverValue
from tuimon.viewer.keys import Levers
from tuimon.viewer.opened import why_no_lever
from tuimon.viewer.widgets.wording import lever_value

_DONE = {"multiply": "multiplied", "toggle": "toggled"}


def hint(text: str, levers: Levers) -> str:
    """How an unfinished setting may go on; empty when nothing is missing, or something is wrong."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if value:
        return ""
    if name in levers and (equals or levers[name].type != "action"):
        return allowed(levers[name])
    return "" if equals or name in levers else ", ".join(lever for lever in levers if lever.startswith(name))


def problem(text: str, levers: Levers) -> str:
    """Why a run with these levers would refuse the setting; empty when it would not."""
    name, _, value = (part.strip() for part in text.partition("="))
    if name in levers and levers[name].type != "action" and not value:
        return f"{name} needs a value; {allowed(levers[name])}"
    try:
        command = parse_setting(text)
    except TuimonError as error:
        return error.message
    return why_no_lever(dict(levers), command.lever) or _refusal(levers[command.lever], command)


def allowed(lever: LeverInfo) -> str:
    """What a lever can be set to, in words."""
    if lever.type == "action":
        return "allowed: nothing, it is an action"
    if lever.type == "switch":
        return "allowed: on, off, toggle, default"
    if lever.type == "choice":
        return f"allowed: {', '.join(lever.choices)}, default"
    low = "" if lever.low is None else f" from {lever.low:g}"
    high = "" if lever.high is None else f" to {lever.high:g}"
    return f"allowed: a number{low}{high}, *factor, on, off, default"


def _refusal(lever: LeverInfo, command: Command) -> str:
    if lever.type == "action":
        return "" if command.op == "do" else f"{lever.name} is an action and takes no value"
    match command.op:
        case "default":
            return ""
        case "on" | "off" | "toggle" if lever.type != "choice":
            return ""
        case "multiply" if lever.type == "number":
            value = _product(lever.value, command.value)
        case "set":
            value = command.value
        case _:
            return f"{lever.name} cannot be {_DONE.get(command.op, command.op)}; {allowed(lever)}"
    return "" if _fits(lever, value) else f"{lever.name} cannot be {lever_value(value)}; {allowed(lever)}"


def _product(value: LeverValue, factor: LeverValue) -> LeverValue:
    return float(value) * float(factor) if isinstance(value, int | float) and isinstance(factor, int | float) else None


def _fits(lever: LeverInfo, value: LeverValue) -> bool:
    if lever.type == "switch":
        return isinstance(value, bool)
    if lever.type == "choice":
        return value in lever.choices
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return (-math.inf if lever.low is None else lever.low) <= value <= (math.inf if lever.high is None else lever.high)
