"""What is to be different in a fork: changes to the run's levers and to its spec, told apart by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.launcher.steering.commands import parse_setting
from tuimon.log.records import Command, LeverInfo, Planned
from tuimon.log.settings import RefusedError, wanted
from tuimon.log.store import Store
from tuimon.spec import SPEC_FILE
from tuimon.spec.keys import MAY_CHANGE, find_key, may_differ_in_fork
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import Spec


class Changes(NamedTuple):
    """What a fork is: its spec, and the lever changes that it begins with or repeats.

    `twin_spec` is the spec of the run that is unchanged, but for its length and what else does not change the training.
    """

    spec: Spec
    steering: tuple[Planned, ...]
    twin_spec: Spec

    @property
    def made(self) -> bool:
        """Whether the fork trains differently from its twin."""
        return bool(self.steering) or self.spec != self.twin_spec

    @property
    def twin(self) -> Changes:
        """The unchanged run."""
        return Changes(self.twin_spec, (), self.twin_spec)


def changes_of(run: Path, store: Store, settings: Sequence[str]) -> Changes:
    """Reads the settings of a fork. The name of a lever means the lever; any other is a key of the spec.

    Raises:
        TuimonError: there is no such lever or key, it cannot have this value, or it would not fit the checkpoint.
    """
    commands, keys = [], []
    for text in settings:
        name, equals, _ = (part.strip() for part in text.partition("="))
        lever = store.levers.get(name)
        if lever and (equals or lever.type != "action"):
            commands.append(_command(lever, text))
        elif name in store.levers or not equals:
            raise TuimonError(f"Cannot fork {run.name} with {text}: it must be lever=value or key=value.")
        else:
            keys.append((text, _key(run, name, text, store)))
    spec = load_spec(run / SPEC_FILE, [text for text, _ in keys])
    shared = [text for text, key in keys if key in MAY_CHANGE]
    return Changes(spec, tuple(Planned(0, command) for command in commands), load_spec(run / SPEC_FILE, shared))


def _command(lever: LeverInfo, text: str) -> Command:
    command = parse_setting(text)
    try:
        wanted(lever, (lever.value, lever.enabled), command)
    except RefusedError as error:
        raise TuimonError(f"{text}: {error}") from error
    return command


def _key(run: Path, name: str, text: str, store: Store) -> str:
    key = find_key(name)
    last = key.rpartition(".")[2]
    if last in store.levers:
        raise TuimonError(f"Cannot fork {run.name} with {text}: {last} is a lever.", f"Write {last}={text.partition('=')[2]}")
    if not may_differ_in_fork(key):
        hint = f"Start a new run: tuimon run {run / SPEC_FILE} {text}"
        raise TuimonError(f"Cannot fork {run.name} with {text}: its checkpoints would not fit.", hint)
    return key
