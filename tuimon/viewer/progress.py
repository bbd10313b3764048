"""Which lessons the user has done, and with which run: `$XDG_STATE_HOME/tuimon/lessons.json` (else `~/.local/state/…`).

A file that cannot be read or written costs the memory, nothing else. Knows no Textual.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.here import user_folder
from tuimon.spec.courses import Course, courses
from tuimon.viewer.settings import write_whole


def done() -> dict[str, str]:
    """The run's folder of each lesson that was done, by `Course.key`."""
    try:
        return msgspec.json.decode(_file().read_bytes(), type=dict[str, str])
    except (OSError, ValueError, RecursionError):
        return {}


def remember(keys: Iterable[str], run: Path) -> None:
    """Remembers that lessons were done with a run."""
    known = done()
    changed = known | dict.fromkeys(keys, str(run.absolute()))
    if changed != known:
        with contextlib.suppress(TuimonError):
            write_whole(_file(), msgspec.json.format(msgspec.json.encode(changed)))


def remember_preset(preset: str, run: Path) -> None:
    """Remembers that a preset was trained: each lesson about it is done."""
    remember((key for key in keys_of(preset, courses())), run)


def keys_of(preset: str, known: Iterable[Course]) -> list[str]:
    """The lessons that train a preset."""
    return [course.key(lesson) for course in known for lesson in course.lessons if lesson.preset == preset]


def _file() -> Path:
    return user_folder("XDG_STATE_HOME", ".local/state") / "lessons.json"
