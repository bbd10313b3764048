"""Checks whether a lever can be set as a command asks. Used where the command is typed, and by the run that applies it.

The run decides in the end: a lever defined by a script may refuse values that its type and bounds allow.
"""

from __future__ import annotations

import math

from tuimon.log.records import Command, LeverInfo, LeverValue

Setting = tuple[LeverValue, bool]  # the value, and whether the lever is on
_DONE = {"multiply": "multiplied", "toggle": "toggled"}


class RefusedError(Exception):
    """A command cannot be carried out; the text says why and what is allowed."""


def wanted(info: LeverInfo, setting: Setting, command: Command, can_be_off: bool = True) -> Setting:
    """The setting that a command asks for, for a lever currently at `setting`.

    Raises:
        RefusedError: the operation, the value's type or the value is not allowed.
    """
    value, enabled = setting
    match command.op:
        case "set":
            return _checked(info, command.value, can_be_off), True
        case "default":
            return info.value, info.enabled
        case "multiply" if info.type == "number":
            return _multiplied(info, value, command.value, can_be_off), enabled
        case "on" | "off" | "toggle" as op if info.type == "switch":
            return (not value if op == "toggle" else op == "on"), True
        case "on" | "off" | "toggle" as op if info.type == "number" and can_be_off:
            return value, (not enabled if op == "toggle" else op == "on")
        case "do":
            raise RefusedError(f"{info.name} needs a value; {allowed(info, can_be_off)}")
    raise RefusedError(f"{info.name} cannot be {_DONE.get(command.op, command.op)}; {allowed(info, can_be_off)}")


def check_action(info: LeverInfo, command: Command) -> None:
    """Raises RefusedError if the command asks for anything other than to run the action, with what it takes."""
    given = command.value is not None
    if command.op not in ("do", "set") or (given and not info.takes):
        raise RefusedError(f"{info.name} is an action and takes no value")
    if given and not isinstance(command.value, str):
        raise RefusedError(f"{info.name} cannot take {_shown(command.value)}; {allowed(info)}")


def allowed(info: LeverInfo, can_be_off: bool = True) -> str:
    """What a lever can be set to, in words."""
    if info.type == "action":
        return f"allowed: {info.takes}" if info.takes else "an action takes no value"
    if info.type == "switch":
        return "allowed: on, off, toggle, default"
    if info.type == "choice":
        return f"allowed: {', '.join(info.choices)}, default"
    low = "" if info.low is None else f" from {info.low:g}"
    high = "" if info.high is None else f" to {info.high:g}"
    return f"allowed: a number{low}{high}, *factor, {'on, off, ' if can_be_off else ''}default"


def is_number(value: LeverValue) -> bool:
    """Whether a lever's value is a finite number (and not that of a switch)."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _multiplied(info: LeverInfo, value: LeverValue, factor: LeverValue, can_be_off: bool) -> float:
    if not is_number(factor) or not is_number(value):
        raise RefusedError(f"{info.name} can only be multiplied by a number, not by {_shown(factor)}")
    return float(_checked(info, float(value) * float(factor), can_be_off))  # type: ignore[arg-type]


def _checked(info: LeverInfo, value: LeverValue, can_be_off: bool) -> LeverValue:
    if info.type == "switch" and isinstance(value, bool):
        return value
    if info.type == "choice" and value in info.choices:
        return value
    if info.type == "number" and is_number(value):
        low = -math.inf if info.low is None else info.low
        high = math.inf if info.high is None else info.high
        if low <= float(value) <= high:  # type: ignore[arg-type]
            return float(value)  # type: ignore[arg-type]
    raise RefusedError(f"{info.name} cannot be {_shown(value)}; {allowed(info, can_be_off)}")


def _shown(value: LeverValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, int | float) else str(value)
