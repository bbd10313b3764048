"""Checks a lever setting while it is typed, against the levers in the run's log. Knows no widget.

The run decides in the end: a script's own lever may refuse more than its type and bounds tell.
"""

from __future__ import annotations

from tuimon.base.errors import TuimonError
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.records import Command, LeverInfo
from tuimon.log.settings import RefusedError, allowed, check_action, wanted
from tuimon.viewer.keys import Levers
from tuimon.viewer.opened import why_no_lever


def hint(text: str, levers: Levers) -> str:
    """How an unfinished setting can be completed; empty if it is complete or wrong."""
    name, equals, value = (part.strip() for part in text.partition("="))
    if value:
        return ""
    if name in levers and (equals or levers[name].type != "action"):
        return allowed(levers[name])
    return "" if equals or name in levers else ", ".join(lever for lever in levers if lever.startswith(name))


def problem(text: str, levers: Levers) -> str:
    """Why a run with these levers would refuse the setting; empty if it would accept it."""
    name, _, value = (part.strip() for part in text.partition("="))
    if name in levers and levers[name].type != "action" and not value:
        return f"{name} needs a value; {allowed(levers[name])}"
    try:
        command = parse_setting(text)
    except TuimonError as error:
        return error.message
    return why_no_lever(dict(levers), command.lever) or _refusal(levers[command.lever], command)


def _refusal(lever: LeverInfo, command: Command) -> str:
    try:
        if lever.type == "action":
            check_action(lever, command)
        else:
            wanted(lever, (lever.value, lever.enabled), command)
    except RefusedError as error:
        return str(error)
    return ""
