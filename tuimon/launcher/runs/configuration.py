"""A run's configuration as one table of dotted keys: `optimizer.lr`. Pure functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tuimon.log.records import Launched, RunStarted

_NOT_A_SETTING = ("preset", "title", "text", "name", "group")


def configuration(started: RunStarted | None, launched: Launched | None) -> dict[str, Any]:
    """A run's settings: those of its spec, else what its script passed to `watch(config=…)`."""
    for source in (started and started.spec, launched and launched.spec, started and started.config):
        if source:
            return {key: value for key, value in flat(source).items() if key not in _NOT_A_SETTING}
    return {}


def flat(nested: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as one, with dotted keys."""
    found: dict[str, Any] = {}
    for key, value in nested.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def shown(value: object) -> str:
    """A setting's value as text."""
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def short(key: str) -> str:
    """The last part of a key, as in a column's title; of a section's `name`, the section."""
    section, _, name = key.rpartition(".")
    return section.rpartition(".")[2] if name == "name" and section else name


def differing(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The keys whose values are not the same in all known configurations; a key that one of them lacks differs, too."""
    known = [config for config in configs if config]
    keys = dict.fromkeys(key for config in known for key in config)
    return [key for key in keys if len({shown(config[key]) if key in config else None for config in known}) > 1]
