"""Levers: the named, typed, bounded things that a run lets itself be steered by.

Knows where each lever stands, what may be asked of it and how to undo; knows nothing of sockets, queues or the log. Lives on
the training thread. Whether a change is put into force around a step, in a module or in the user's own code is each lever's
own matter.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import msgspec

from tuimon.log.records import Applied, Command, LeverInfo, LeverValue, Refused
from tuimon.log.settings import RefusedError, Setting, check_action, wanted

_ALIASES = {"pause": ("paused", "on"), "resume": ("paused", "off")}
_HISTORY = 1000
_UNDO = LeverInfo("undo", "action", help="Undoes the last change.")


def _nothing(_: Any) -> None:
    """A lever that is only read."""


def _no_readings() -> dict[str, str]:
    return {}


@dataclass
class Lever:
    """One lever that holds a value, and where it stands.

    Args:
        info: its name, type, bounds and starting value.
        put: puts a value in force; None when the lever is off.
        readings: reads back what is in force, by label.
        current: asks the owner for the value, where a script may change it, too. Such a lever cannot be off.
        in_step: what it does shows during a step only, so that its answer waits for the next step.
        lasting: it can be undone and goes into checkpoints; a pause does neither.
        shared: processes that train one model together need it to be the same in each of them.

    Attributes:
        value: of a number or switch, what was last set.
        enabled: whether it is on.
    """

    info: LeverInfo
    put: Callable[[Any], None] = _nothing
    readings: Callable[[], dict[str, str]] = _no_readings
    current: Callable[[], LeverValue] | None = None
    in_step: bool = False
    lasting: bool = True
    shared: bool = True
    value: LeverValue = field(init=False)
    enabled: bool = field(init=False)

    def __post_init__(self) -> None:
        self.value, self.enabled = self.info.value, self.info.enabled

    @property
    def setting(self) -> Setting:
        """Its value, and whether it is on."""
        return (self.current() if self.current else self.value), self.enabled

    @property
    def can_be_off(self) -> bool:
        """Whether it can be switched off and keep its value."""
        return self.current is None


class Done(NamedTuple):
    """What an action did, in words, and what it took or chose."""

    note: str = ""
    used: LeverValue = None


@dataclass(frozen=True)
class Action:
    """Something that is done once for each command: it has no value.

    Args:
        info: its name, its help and what it takes.
        act: does it with what it was given; returns a note for the answer, and what it used in place of nothing.
        at_end: it is only asked for, and done when the run is closed.
        shared: it changes weights, or what the optimizer knows, which processes that train one model together have in common.
    """

    info: LeverInfo
    act: Callable[[LeverValue], Done]
    at_end: bool = False
    shared: bool = False


@dataclass(frozen=True)
class Change:
    """What a command did, before the note is known.

    `lever` is None where an action was done; `before` holds the readings from before it; `at_end` as of `Action`.
    """

    applied: Applied
    lever: Lever | None
    before: dict[str, str]
    remark: str = ""
    at_end: bool = False

    @property
    def in_step(self) -> bool:
        """Whether its effect shows during the next step only."""
        return self.lever is not None and self.lever.in_step

    def told(self) -> Applied:
        """The answer, with what is in force now read back."""
        after = self.lever.readings() if self.lever else {}
        parts = [f"{label} {old} → {after[label]}" for label, old in self.before.items() if after.get(label, old) != old]
        note = "; ".join(filter(None, [self.remark, ", ".join(parts)]))
        return msgspec.structs.replace(self.applied, note=note) if note else self.applied


class Levers:
    """All levers of a run.

    Args:
        processes: how many processes train the model together; asked at each command.
    """

    def __init__(self, processes: Callable[[], int] = lambda: 1) -> None:
        self._processes = processes
        self._table: dict[str, Lever] = {}
        self._actions: dict[str, Action] = {}
        self._history: list[tuple[str, Setting]] = []
        self._saved: dict[str, Setting] = {}  # from a checkpoint, for levers that are not declared yet

    def __contains__(self, name: str) -> bool:
        return name in self._names()

    def __getitem__(self, name: str) -> LeverValue:
        """The value of a lever, whether or not it is switched on."""
        return self._table[name].setting[0]

    def offer(self, action: Action) -> None:
        """Adds an action."""
        self._actions[action.info.name] = action

    def declare(self, lever: Lever) -> None:
        """Adds a lever, and puts its starting value in force."""
        self._table[lever.info.name] = lever
        if saved := self._saved.pop(lever.info.name, None):
            self._place(lever, saved)
        elif lever.current is None:
            lever.put(self.in_force(lever))

    def infos(self) -> tuple[LeverInfo, ...]:
        """All levers with their current values, then the actions."""
        levers = (
            msgspec.structs.replace(lever.info, value=lever.setting[0], enabled=lever.enabled) for lever in self._table.values()
        )
        return (*levers, *(action.info for action in self._actions.values()), _UNDO)

    def in_force(self, lever: Lever) -> LeverValue:
        """The lever's value, or None while it is off: by itself, or with all regularizers."""
        off = not lever.enabled or (lever.info.regularizer and self.regularization_is_off)
        return None if off else lever.value

    @property
    def regularization_is_off(self) -> bool:
        """Whether the run's regularizers are switched off together; each keeps its own place meanwhile."""
        switch = self._table.get("regularization")
        return switch is not None and switch.value is False

    def switch(self, name: str, on: bool) -> Applied:
        """Switches a number lever on or off for the script's own plan: no command, and nothing to undo.

        Returns:
            What was done, to be logged; the step is left to the caller.
        """
        lever = self._table[name]
        old = lever.setting
        self._place(lever, (old[0], on))
        return Applied(0, name, old=old[0], new=old[0], old_enabled=old[1], new_enabled=on)

    def put_regularizers(self) -> None:
        """Applies every regularizer, or takes it out of force."""
        for lever in self._regularizers():
            lever.put(self.in_force(lever))

    def regularizer_readings(self) -> dict[str, str]:
        """Reads back all regularizers."""
        return {label: text for lever in self._regularizers() for label, text in lever.readings().items()}

    def carry_out(self, command: Command, step: int, mid_step: bool = False) -> Change | Refused:
        """Carries out a command, or says why not. After an error in a lever's own code, the lever keeps its value.

        `step` steps are complete; `mid_step`: the next has begun.
        """
        if command.lever in _ALIASES:
            lever, op = _ALIASES[command.lever]
            command = msgspec.structs.replace(command, lever=lever, op=op, value=None)
        try:
            change = self._do(command, step)
            return replace(change, applied=msgspec.structs.replace(change.applied, mid_step=mid_step)) if mid_step else change
        except RefusedError as error:
            reason = str(error)
        except Exception as error:
            reason = f"{command.lever} failed: {type(error).__name__}: {error}"
        return Refused(step=step, lever=command.lever, value=command.value, reason=reason, by=command.by, id=command.id)

    def _do(self, command: Command, step: int) -> Change:
        if command.lever == _UNDO.name:
            return self._undo(command, step)
        if command.lever in self._actions:
            return self._act(self._actions[command.lever], command, step)
        return self._set(self._find(command.lever), command, step)

    def state_dict(self) -> dict[str, Any]:
        """The levers' values and the undo history, in plain types. A pause is not stored."""
        levers = {name: list(lever.setting) for name, lever in self._table.items() if lever.lasting}
        return {"levers": levers, "history": [[name, *setting] for name, setting in self._history]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restores the levers' values; those not declared yet are restored when they are."""
        self._history = [(name, (value, enabled)) for name, value, enabled in state.get("history", [])]
        self._saved = {name: (value, enabled) for name, (value, enabled) in state.get("levers", {}).items()}
        for name in [name for name in self._saved if name in self._table]:
            self._place(self._table[name], self._saved.pop(name))

    def release(self) -> None:
        """Restores what the model had before any lever was moved. The user's own levers keep their values."""
        for lever in self._table.values():
            if lever.current is None and lever.info.name != "regularization":
                lever.put(lever.info.value if lever.info.enabled else None)

    def _names(self) -> list[str]:
        return [*self._table, *self._actions, _UNDO.name]

    def _find(self, name: str) -> Lever:
        lever = self._table.get(name)
        if lever is None:
            names = self._names()
            begun = [known for known in names if known.startswith(name)]
            near = begun or difflib.get_close_matches(name, names, n=1)
            meant = f"did you mean {near[0]}? " if near else ""
            raise RefusedError(f"this run has no lever {name!r}; {meant}it has {', '.join(names)}")
        self._check_alone(lever)
        return lever

    def _check_alone(self, lever: Lever | Action) -> None:
        """Commands reach one process: weights that are kept equal in several would part, a pause would hold up the others."""
        count = self._processes() if lever.shared else 1
        if count > 1:
            raise RefusedError(
                f"{count} processes train this model together, and {lever.info.name} would change in this one only"
            )

    def _regularizers(self) -> Iterable[Lever]:
        return [lever for lever in self._table.values() if lever.info.regularizer]

    def _act(self, action: Action, command: Command, step: int) -> Change:
        check_action(action.info, command)
        self._check_alone(action)
        done = action.act(command.value)
        applied = Applied(step=step, lever=action.info.name, new=done.used, by=command.by, id=command.id)
        return Change(applied, None, {}, done.note, action.at_end)

    def _set(self, lever: Lever, command: Command, step: int) -> Change:
        old = lever.setting
        new = wanted(lever.info, old, command, lever.can_be_off)
        change = self._move(lever, new, command, step)
        if lever.lasting and new != old:
            self._history = [*self._history[-_HISTORY + 1 :], (lever.info.name, old)]
        return change

    def _undo(self, command: Command, step: int) -> Change:
        if not self._history:
            raise RefusedError("there is nothing to undo")
        name, setting = self._history[-1]
        change = self._move(self._find(name), setting, command, step, "undone")
        self._history.pop()
        return change

    def _move(self, lever: Lever, new: Setting, command: Command, step: int, remark: str = "") -> Change:
        old, before = lever.setting, lever.readings()
        try:
            self._place(lever, new)
        except Exception:
            lever.value, lever.enabled = old
            raise
        if lever.info.regularizer and self.regularization_is_off:
            remark = "; ".join(filter(None, [remark, "not in force while regularization is off"]))
        applied = Applied(
            step=step,
            lever=lever.info.name,
            old=old[0],
            new=lever.setting[0],
            old_enabled=old[1],
            new_enabled=lever.enabled,
            by=command.by,
            id=command.id,
        )
        return Change(applied, lever, before, remark)

    def _place(self, lever: Lever, setting: Setting) -> None:
        lever.value, lever.enabled = setting
        lever.put(self.in_force(lever))
