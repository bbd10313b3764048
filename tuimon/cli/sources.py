"""The words of `tuimon compare`: sources, and the settings of each.

Settings belong to the source before them, those before the first source to every one. Several values of one setting make as
many runs of it. Pure functions.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from typing import NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.spec.keys import SHORT_NAMES, find_key, table

_MOST_RUNS = 64


class Source(NamedTuple):
    """A preset, a .toml file or a run, with its settings.

    Attributes:
        word: as typed.
        settings: `key=value` overrides, of one value each.
        label: what tells it from the other runs of the same word: `-lr_0.1`; empty if there are no others.
    """

    word: str
    settings: tuple[str, ...] = ()
    label: str = ""


def sources_of(words: Sequence[str]) -> list[Source]:
    """The sources in the order of the words; one for each combination of values where settings have several.

    Raises:
        TuimonError: there is no source, a setting has no such key, or the combinations are too many.
    """
    common = list(itertools.takewhile(_is_setting, words))
    groups: list[list[str]] = []
    for word in words[len(common) :]:
        if _is_setting(word):
            groups[-1].append(word)
        else:
            groups.append([word])
    if not groups:
        raise TuimonError(
            f"Cannot apply {' '.join(words)}: there is no preset or .toml file to apply it to.",
            "Name one before its settings: tuimon compare quadratic lr=0.01,0.1",
        )
    found = [source for word, *own in groups for source in _each(word, [*common, *own])]
    if len(found) > _MOST_RUNS:
        raise TuimonError(f"Cannot compare {len(found)} runs: at most {_MOST_RUNS}.", "Give fewer values.")
    return _told_apart(found)


def _is_setting(word: str) -> bool:
    return "=" in word and not word.startswith(("/", "./", "../", "~"))


def _each(word: str, settings: Sequence[str]) -> list[Source]:
    """A source for each combination of the values of its settings."""
    return [Source(word, chosen) for chosen in itertools.product(*map(_values, settings))]


def _values(setting: str) -> tuple[str, ...]:
    """A setting for each of its values; those of a list are in brackets: `hidden=[64],[64,64]`."""
    name, _, text = setting.partition("=")
    if "," not in text:
        return (setting,)
    field = table().get(find_key(name.strip()))
    if field is None or (field.type == "text" and not field.choices):
        return (setting,)
    parts = re.split(r",(?![^\[]*\])", text) if field.type not in ("ints", "floats", "texts") else _lists(text)
    return tuple(f"{name}={part.strip()}" for part in parts if part.strip())


def _lists(text: str) -> list[str]:
    return re.findall(r"\[[^\]]*\]", text) if text.count("[") > 1 else [text]


def _short(setting: str) -> str:
    """A setting with the shortest name of its key, as part of a run's name: without a slash, and without an equals sign."""
    name, _, value = setting.partition("=")
    key = find_key(name.strip())
    short = {key: name for name, key in SHORT_NAMES.items()}.get(key, key.rpartition(".")[2])
    return f"{short}_{value}".replace("/", "_").replace(" ", "")


def _told_apart(found: list[Source]) -> list[Source]:
    """Names the settings that tell the sources of one word from each other."""
    return [source._replace(label=_label(source, [one for one in found if one.word == source.word])) for source in found]


def _label(source: Source, alike: list[Source]) -> str:
    own = (one for one in source.settings if not all(one in other.settings for other in alike))
    return "".join(f"-{_short(one)}" for one in own)
