"""Events and levers as text, for lists and charts. Knows no widget."""

from __future__ import annotations

from pathlib import PurePath

from tuimon.base import format
from tuimon.base.process import signal_name
from tuimon.diagnosis.following import headline
from tuimon.log.records import (
    Applied,
    CheckpointSaved,
    Ended,
    Event,
    Exited,
    Finding,
    Forked,
    Gap,
    Launched,
    LeverInfo,
    LeverValue,
    Notice,
    Queued,
    Refused,
    Remedy,
    RunStarted,
    Spawned,
    StopAsked,
)

_SHORT = {"lr_scale": "lr", "weight_decay": "wd", "clip_norm": "clip", "regularization": "reg"}
_ENDINGS = {"finished": "good", "stopped": "warn", "failed": "bad", "killed": "bad"}
_REASONS = {"last": "to resume from", "best": "best so far", "asked": "on request"}
_LEVELS = {"info": "value", "warning": "warn", "error": "bad"}
_SEVERITIES = {"hint": "value", "warning": "warn", "critical": "bad"}


def describe(event: Event, ascii: bool = False) -> tuple[str, str]:
    """An event as one line, and its style. Problems are marked in words (`refused`, `failed`, `!`), not by colour alone."""
    match event:
        case Launched():
            return f"launched {event.name}: {_launched(event)}", "value"
        case Queued():
            return f"queued for {event.wants}", "value"
        case Spawned():
            return f"started process {event.process.pid}", "value"
        case RunStarted():
            return _started(event), "good"
        case Applied():
            return _applied(event, ascii) + _by(event.by), "value"
        case Refused():
            return f"refused {_refused(event, ascii)}{_by(event.by)}", "warn"
        case StopAsked():
            return f"asked to stop{_by(event.by)}", "value"
        case CheckpointSaved():
            return f"saved {PurePath(event.path).name}, {_REASONS[event.reason]}", "value"
        case Forked():
            return f"forked from {event.run} at step {format.count(event.step)}", "value"
        case Notice():
            return ("! " if event.level != "info" else "") + event.text, _LEVELS[event.level]
        case Gap():
            return f"! {event.records} records lost ({event.reason})", "bad"
        case Ended():
            return event.how + (f": {event.reason}" if event.reason else ""), _ENDINGS[event.how]
        case Exited():
            return _exited(event)
        case Finding():
            return _found(event)


def _found(finding: Finding) -> tuple[str, str]:
    return (
        (headline(finding), "good")
        if finding.cleared is not None
        else (f"! {headline(finding)}", _SEVERITIES[finding.severity])
    )


def answer_text(answer: Applied | Refused, ascii: bool = False) -> str:
    """The result of a command: `applied at step 1 204: lr_scale 1 → 0.5`."""
    if isinstance(answer, Refused):
        at = f" at step {format.count(answer.step)}" if answer.step else ""  # there is no step if no run was there to refuse it
        return f"refused{at}: {_refused(answer, ascii)}"
    return f"applied at step {format.count(answer.step)}: {_applied(answer, ascii)}"


def lever_value(value: LeverValue, enabled: bool = True, ascii: bool = False) -> str:
    """A lever's value: a number, on or off, a word; `off (0.01)` for a number that is switched off."""
    if value is None:
        return format.missing(ascii)
    if isinstance(value, bool):
        return "on" if value else "off"
    text = value if isinstance(value, str) else f"{value:g}"
    return text if enabled else f"off ({text})"


def moves_text(remedy: Remedy, ascii: bool = False) -> str:
    """What a remedy does: `rewind to the first checkpoint, lr_scale → 0.1`."""
    arrow = "->" if ascii else "→"
    return ", ".join(_move(name, value, arrow, ascii) for name, value in remedy.levers.items())


def _move(name: str, value: LeverValue, arrow: str, ascii: bool) -> str:
    if value is None:
        return name
    return f"{name} to the {value} checkpoint" if name == "rewind" else f"{name} {arrow} {lever_value(value, ascii=ascii)}"


def marker_label(applied: Applied, ascii: bool = False) -> str:
    """A moved lever in a few letters, for a chart: `lr ½`, `wd off`."""
    name = _SHORT.get(applied.lever, applied.lever)
    if applied.lever == "lr_scale" and isinstance(applied.new, float | int) and not isinstance(applied.new, bool):
        return f"{name} {format.scale(applied.new, ascii)}"
    if not applied.new_enabled:
        return f"{name} off"
    return f"{name} {lever_value(applied.new, ascii=ascii)}"


def is_move(applied: Applied, levers: dict[str, LeverInfo]) -> bool:
    """Whether a lever's value changed, as opposed to an action being run."""
    lever = levers.get(applied.lever)
    return (lever is None or lever.type != "action") and (applied.old, applied.old_enabled) != (
        applied.new,
        applied.new_enabled,
    )


def _launched(event: Launched) -> str:
    """What was launched, as its user knows it."""
    if event.spec:
        return _named(str(event.spec.get("preset") or "its spec"))
    return " ".join(_named(word) for word in event.words or event.command)


def _named(word: str) -> str:
    """A word of a command; a path is shortened to its last part."""
    return PurePath(word).name if word.startswith("/") else word


def _started(event: RunStarted) -> str:
    where = event.device_name or event.device
    resumed = f" from step {format.count(event.first_step)}" if event.first_step else ""
    return f"training started{resumed}" + (f" on {where}" if where else "") + f", pid {event.process.pid}"


def _applied(event: Applied, ascii: bool) -> str:
    arrow = "->" if ascii else "→"
    if event.old is None:  # an action, whose note says what it did
        text = f"{event.lever} done"
    else:
        old = lever_value(event.old, event.old_enabled, ascii)
        text = f"{event.lever} {old} {arrow} {lever_value(event.new, event.new_enabled, ascii)}"
    note = event.note.replace("→", "->") if ascii else event.note
    return text + (f" ({note})" if note else "")


def _refused(event: Refused, ascii: bool) -> str:
    value = "" if event.value is None else f" {lever_value(event.value, ascii=ascii)}"
    return f"{event.lever}{value}: {event.reason}"


def _by(who: str) -> str:
    return f", by {who}" if who else ""


def _exited(event: Exited) -> tuple[str, str]:
    if event.reason:
        return f"could not be started: {event.reason}", "bad"
    if event.out_of_memory:
        return "killed: the machine ran out of memory", "bad"
    if event.signal is not None:
        return f"killed by {signal_name(event.signal)}", "bad"
    return f"process ended with exit code {event.code}", "dim" if event.code == 0 else "warn"
