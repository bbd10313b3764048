"""Courses: the presets in an order that teaches, by theme. Data only, in models/courses/*.toml.

A lesson adds to a preset why to look at it and what to do: commands, and keys to press on the run's screen. What to watch, what
to try and what the preset claims stand in the preset's own file, and only there. Knows no torch. Pure functions, any thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean
from tuimon.spec.presets import PresetInfo, find_preset, models_folder, read_toml

PRESS, COMMAND = "press ", "tuimon "  # how what is to be done begins

_Text = Annotated[str, Meta(min_length=1)]


class Lesson(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One lesson.

    Attributes:
        preset: what is trained.
        idea: the thought behind it, in a sentence or two.
        name: unique in its course; empty: the preset's.
        do: what to do, in this order: `tuimon …` is a command, `press K` a key of the run's screen.
    """

    preset: _Text
    idea: _Text
    name: str = ""
    do: tuple[str, ...] = ()

    @property
    def label(self) -> str:
        """What it is called."""
        return self.name or self.preset


class Course(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A theme: its lessons in the order in which to take them; `name` is that of its file."""

    order: int
    title: _Text
    idea: _Text
    lessons: Annotated[tuple[Lesson, ...], Meta(min_length=1)]
    name: str = ""

    def key(self, lesson: Lesson) -> str:
        """A lesson's name among all courses, by which it is remembered."""
        return f"{self.name}/{lesson.label}"


def courses() -> list[Course]:
    """All courses, in the order in which to take them.

    Raises:
        TuimonError: a file is not a course; the text names it.
    """
    found = [_course(path, read_toml(path)) for path in sorted((models_folder() / "courses").glob("*.toml"))]
    return sorted(found, key=lambda course: course.order)


def find_course(text: str, known: Sequence[Course]) -> Course:
    """The course with that name, the start of one name, or that number.

    Raises:
        TuimonError: there is none, or several.
    """
    if text.isdecimal() and 1 <= int(text) <= len(known):
        return known[int(text) - 1]
    found = [course for course in known if course.name == text] or [one for one in known if one.name.startswith(text.lower())]
    if len(found) == 1:
        return found[0]
    near = did_you_mean(text, [course.name for course in known])
    raise TuimonError(f"No course {text!r}{near}.", "`tuimon learn` lists them.")


def find_lesson(text: str, course: Course) -> Lesson:
    """The lesson with that number, from 1, or name, or the start of one.

    Raises:
        TuimonError: there is none, or several.
    """
    if text.isdecimal():
        if 1 <= int(text) <= len(course.lessons):
            return course.lessons[int(text) - 1]
        raise TuimonError(f"No lesson {text} in {course.name}, which has {len(course.lessons)}.")
    names = [lesson.label for lesson in course.lessons]
    found = [name for name in names if name == text] or [name for name in names if name.startswith(text)]
    if len(found) == 1:
        return course.lessons[names.index(found[0])]
    raise TuimonError(
        f"No lesson {text!r} in {course.name}{did_you_mean(text, names)}.", f"`tuimon learn {course.name}` lists them."
    )


def preset_of(lesson: Lesson) -> PresetInfo:
    """The preset that a lesson trains.

    Raises:
        TuimonError: there is no such preset.
    """
    found = find_preset(lesson.preset)
    if found is None:
        raise TuimonError(f"The lesson {lesson.label} trains the preset {lesson.preset!r}, which does not exist.")
    return found


def _course(path: Path, data: dict[str, Any]) -> Course:
    try:
        return msgspec.convert({"name": path.stem, **data}, Course)
    except msgspec.ValidationError as error:
        raise TuimonError(f"{path}: {error}") from error
