"""What a run is: its configuration and what differs from its preset, its command, versions, device, folder and seed.

Reads the beginning and the end of its log. Knows no widget.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from tuimon.base import format
from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.configuration import configuration, flat, shown
from tuimon.launcher.runs.glance import glance_at
from tuimon.launcher.runs.retyped import retyped
from tuimon.log.records import Launched, RunStarted
from tuimon.spec.loading import load_spec


class Fact(NamedTuple):
    """One row: a name, a value, and for a setting that differs from the preset's, the preset's value."""

    name: str
    value: str
    preset: str | None = None


class Section(NamedTuple):
    """A titled list of facts."""

    title: str
    facts: list[Fact]


def about(run: Path) -> list[Section]:
    """All that is known of what a run is, most telling first. Never raises for a log that can be read in part."""
    store, life = glance_at(run)
    started, launched = life.started, life.launched
    sections = [Section("Run", list(_run(run, started, launched))), Section("Software", list(_software(started, launched)))]
    settings = configuration(started, launched)
    preset = _preset(started, launched)
    of_preset = _preset_settings(preset)
    facts = [Fact(key, shown(value), _differing(key, value, of_preset)) for key, value in settings.items()]
    facts.sort(key=lambda fact: fact.preset is None)
    title = f"Configuration, compared with the preset {preset}" if of_preset else "Configuration"
    sections.append(Section(title, facts))
    damage = [Fact("log", problem) for problem in store.problems()]
    return [section for section in [*sections, Section("Damage", damage)] if section.facts]


def _run(run: Path, started: RunStarted | None, launched: Launched | None) -> Iterator[Fact]:
    yield Fact("folder", str(run))
    if launched:
        yield Fact("command", retyped(run, launched))
        yield Fact("working directory", launched.cwd)
    elif started and started.command:
        yield Fact("command", shlex.join(started.command))
    if started:
        device = " ".join(part for part in (started.device, f"({started.device_name})" if started.device_name else "") if part)
        yield from (Fact("device", device), Fact("host", started.process.host))
        yield Fact(
            "model", f"{started.model}, {format.count(started.parameters)} parameters" if started.parameters else started.model
        )
        yield Fact("optimizer", started.optimizer)
        yield Fact("seed", "not set" if started.seed is None else str(started.seed))


def _software(started: RunStarted | None, launched: Launched | None) -> Iterator[Fact]:
    if started is None:
        return
    if started.git_commit:
        state = {True: ", with uncommitted changes", False: ", nothing uncommitted", None: ""}
        yield Fact("git commit", started.git_commit + state[launched.uncommitted if launched else started.uncommitted])
    yield from (Fact(name, version) for name, version in started.versions.items())


def _preset(started: RunStarted | None, launched: Launched | None) -> str:
    spec = (started and started.spec) or (launched and launched.spec) or {}
    return str(spec.get("preset", "") or "")


def _preset_settings(preset: str) -> dict[str, Any]:
    """The settings of a preset; empty if there is none of that name any more."""
    if not preset:
        return {}
    try:
        return flat(msgspec.to_builtins(load_spec(preset)))
    except TuimonError:
        return {}


def _differing(key: str, value: object, of_preset: Mapping[str, Any]) -> str | None:
    if key not in of_preset or shown(of_preset[key]) == shown(value):
        return None
    return shown(of_preset[key])
