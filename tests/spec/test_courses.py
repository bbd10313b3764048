"""The courses: each lesson is about a preset that exists, and every preset is taught."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tuimon.base.errors import TuimonError
from tuimon.cli.parser import parse
from tuimon.cli.sources import sources_of
from tuimon.launcher.runs.taught import own_claims
from tuimon.search.space import is_dimension
from tuimon.spec import courses as module
from tuimon.spec.courses import COMMAND, PRESS, Course, Lesson, courses, find_course, find_lesson, preset_of
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import presets
from tuimon.viewer.keys import keys_of

COURSES = courses()
NOT_TAUGHT = {"own-table"}  # it needs a file of the user's
LESSONS = [(course, lesson) for course in COURSES for lesson in course.lessons]
each_lesson = pytest.mark.parametrize(("course", "lesson"), LESSONS, ids=[course.key(lesson) for course, lesson in LESSONS])


def test_every_preset_is_in_a_course() -> None:
    """Also a new one, unless it is named above."""
    taught = {lesson.preset for _, lesson in LESSONS}
    assert taught == {preset.name for preset in presets()} - NOT_TAUGHT


def test_courses_and_lessons_are_told_apart() -> None:
    """By order, by name, and each lesson by its name in the course."""
    assert len({course.order for course in COURSES}) == len({course.name for course in COURSES}) == len(COURSES)
    assert len({course.key(lesson) for course, lesson in LESSONS}) == len(LESSONS)
    assert not any(name.isdecimal() for course in COURSES for name in (course.name, *(one.label for one in course.lessons)))


@each_lesson
def test_a_lesson_says_what_to_do_and_its_preset_claims_something(course: Course, lesson: Lesson) -> None:
    """Its keys and commands exist, its settings fit; what the preset claims of itself can be judged on the user's own run."""
    assert own_claims(preset_of(lesson))
    keys = {name for key in keys_of("run") for name in (key.key, key.name)}
    for each in lesson.do:
        assert each.startswith((PRESS, COMMAND))
        if each.startswith(PRESS):
            assert each.removeprefix(PRESS) in keys
        else:
            check(each)


def check(command: str) -> None:
    """A command has the right form, and what it names exists; a run is `latest` here."""
    options = parse(shlex.split(command)[1:])
    if options.verb in ("run", "check"):
        load_spec(options.source, options.settings)
    elif options.verb == "search":
        load_spec(options.source)
        assert all(is_dimension(setting.partition("=")[2]) for setting in options.settings)
    elif options.verb == "compare":
        assert all(load_spec(source.word, source.settings) for source in sources_of(options.sources))
    else:
        words = options.words[:1] if options.verb == "plot" else getattr(options, "runs", None) or [options.run]
        assert [word.partition("@")[0] for word in words] == ["latest"]


@pytest.mark.parametrize(("text", "name"), [("rates", "rates"), ("ra", "rates"), ("2", COURSES[1].name), ("Stab", "stability")])
def test_a_course_is_found_by_name_or_number(text: str, name: str) -> None:
    """The start of a name is enough."""
    assert find_course(text, COURSES).name == name


def test_a_lesson_is_found_by_number_or_name() -> None:
    """From 1; the start of a name is enough."""
    starts = find_course("starts", COURSES)
    assert find_lesson("2", starts) == starts.lessons[1] == find_lesson("exploding-large", starts)


@pytest.mark.parametrize(
    ("text", "says"), [("99", "has 9"), ("0", "has 9"), ("rate-", "No lesson"), ("rate-rigth", "rate-right")]
)
def test_an_unknown_lesson_names_the_nearest(text: str, says: str) -> None:
    """Or how many there are."""
    with pytest.raises(TuimonError, match=says):
        find_lesson(text, find_course("rates", COURSES))


@pytest.mark.parametrize("text", ["s", "nothing", "0", "99", ""])
def test_an_unknown_course_is_refused(text: str) -> None:
    """Also one that two begin with."""
    with pytest.raises(TuimonError, match="`tuimon learn` lists them"):
        find_course(text, COURSES)


def test_a_file_that_is_no_course_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the key that is wrong."""
    (tmp_path / "courses").mkdir()
    (tmp_path / "courses" / "odd.toml").write_text('order = 1\ntitle = "Odd"\nidea = "x"\nlessons = [{ preset = "overfit" }]\n')
    monkeypatch.setattr(module, "models_folder", lambda: tmp_path)
    with pytest.raises(TuimonError, match=r"odd\.toml.*idea"):
        courses()
