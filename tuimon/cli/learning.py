"""The verb `learn`: lists courses and lessons, shows a lesson's page, and trains its preset."""

from __future__ import annotations

import argparse
import math
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tuimon.cli.terminals import has_terminal
from tuimon.cli.trusting import with_trust
from tuimon.launcher.runs.runs import runs_dir
from tuimon.launcher.runs.taught import Shown, own_claims, run_of_preset, what_happened
from tuimon.spec.claims import in_words
from tuimon.spec.courses import PRESS, Course, Lesson, courses, find_course, find_lesson, preset_of
from tuimon.spec.presets import PresetInfo
from tuimon.viewer.keys import keys_of
from tuimon.viewer.progress import done, remember, remember_preset

_WIDEST = 100
_INDENT = 10


class _Page(NamedTuple):
    """What a lesson's page is about."""

    course: Course
    lesson: Lesson
    preset: PresetInfo
    runs: Path

    @property
    def number(self) -> int:
        return self.course.lessons.index(self.lesson) + 1

    @property
    def command(self) -> str:
        return f"tuimon learn {self.course.name} {self.number}"


def learn(options: argparse.Namespace) -> int:
    """Lists the courses, or a course's lessons; or shows a lesson, and trains it if asked to."""
    known = courses()
    if options.course is None:
        return _list_courses(known)
    course = find_course(options.course, known)
    if options.lesson is None:
        return _list_lessons(course)
    lesson = find_lesson(options.lesson, course)
    page = _Page(course, lesson, preset_of(lesson), runs_dir(options.runs_dir))
    if not options.run:
        _show(page)
        if not (has_terminal() and _says_yes("\nTrain it now? [y/N] ")):
            return 0
    return _train(page, options)


def _list_courses(known: Sequence[Course]) -> int:
    finished = done()
    for number, course in enumerate(known, start=1):
        count = sum(course.key(lesson) in finished for lesson in course.lessons)
        print(f"{number:>2}  {course.name:<15} {count:>2} of {len(course.lessons):>2} done   {course.title}")
        _tell(course.idea, indent=4)
    first = next((course for course in known if _next(course, finished)), known[0])
    lesson = _next(first, finished) or 1
    print(f"\nnext  tuimon learn {first.name} {lesson}")
    return 0


def _list_lessons(course: Course) -> int:
    finished = done()
    print(course.title)
    _tell(course.idea)
    print()
    widest = max(len(lesson.label) for lesson in course.lessons)
    for number, lesson in enumerate(course.lessons, start=1):
        mark = "done" if course.key(lesson) in finished else ""
        print(f"{number:>2}  {mark:<4}  {lesson.label:<{widest}}  {preset_of(lesson).title}".rstrip())
    print(f"\nnext  tuimon learn {course.name} {_next(course, finished) or 1}")
    return 0


def _next(course: Course, finished: Mapping[str, str]) -> int:
    """The number of the first lesson that is not done; 0 if all are."""
    return next((number for number, one in enumerate(course.lessons, start=1) if course.key(one) not in finished), 0)


def _show(page: _Page) -> None:
    course, lesson, preset = page.course, page.lesson, page.preset
    print(f"{course.title}, lesson {page.number} of {len(course.lessons)}: {preset.title}\n")
    _tell(lesson.idea)
    print()
    for line in preset.text:
        head, _, text = line.partition(": ")
        _entry(head.lower(), text)
    print()
    _entry("run", f"{page.command} --run    # trains {preset.name}")
    for each in lesson.do:
        if each.startswith(PRESS):
            _entry("press", _key(each.removeprefix(PRESS)))
        else:
            _entry("then", each, wrapped=False)
    print()
    _show_what_happened(page)
    if page.number < len(course.lessons):
        print(f"\nnext      tuimon learn {course.name} {page.number + 1}")


def _show_what_happened(page: _Page) -> None:
    """The preset's claims on the user's own run of it; without one, the claims."""
    run = _run_of(page.lesson.preset, page.runs)
    if run is None:
        _entry("claims", "; ".join(map(in_words, own_claims(page.preset))))
        return
    remember([page.course.key(page.lesson)], run)
    shown = what_happened(page.preset, run, lambda preset: _run_of(preset, page.runs))
    _entry("happened", f"in {run.name}{', which is still training: look again when it is over' if _is_live(run) else ''}")
    for one in shown:
        print(textwrap.indent(_verdict(one), " " * _INDENT))


def _verdict(one: Shown) -> str:
    if one.holds is None:
        return f"?    {one.words}: {_number(one.value)} here; to compare: tuimon run {one.needs}"
    return f"{'yes' if one.holds else 'no':<4} {one.words}: {_number(one.value)}, compared with {_number(one.than)}"


def _number(value: float) -> str:
    return "nan" if math.isnan(value) else f"{value:.4g}"


def _run_of(preset: str, runs: Path) -> Path | None:
    """The run of a preset as it is: in the folder of runs, else one that is remembered from another folder."""
    found = run_of_preset(preset, runs)
    if found:
        return found
    finished = done()
    kept = (Path(finished[key]) for key in finished if key.endswith(f"/{preset}"))
    return next((path for path in kept if run_of_preset(preset, path.parent) == path), None)


def _is_live(run: Path) -> bool:
    from tuimon.launcher.runs.glance import judge

    return judge(run)[1].live


def _key(name: str) -> str:
    """A key of the run's screen, with what it does."""
    found = next((key for key in keys_of("run") if name in (key.key, key.name)), None)
    return f"{name}   {found.help}" if found else name


def _train(page: _Page, options: argparse.Namespace) -> int:
    from tuimon.cli.running import watch_own
    from tuimon.launcher.start.start import start
    from tuimon.spec.loading import load_spec

    preset = page.preset.name
    where = {"runs_dir": page.runs, "device": options.device, "source": preset}
    started = with_trust(options, lambda trusted: start(load_spec(preset), trusted=trusted, **where))
    remember_preset(preset, started)
    code = watch_own(options, started)
    if not (options.json or options.quiet or options.detach):
        print()
        _show_what_happened(page)
        print(f"\npage      {page.command}")
    return code


def _entry(head: str, text: str, wrapped: bool = True) -> None:
    lines = textwrap.wrap(text, _width() - _INDENT, break_on_hyphens=False) if wrapped else [text]
    print(f"{head:<{_INDENT}}" + f"\n{' ' * _INDENT}".join(lines))


def _tell(text: str, indent: int = 0) -> None:
    space = " " * indent
    print(textwrap.fill(text, _width(), initial_indent=space, subsequent_indent=space))


def _width() -> int:
    return min(_WIDEST, shutil.get_terminal_size().columns)


def _says_yes(question: str) -> bool:
    print(question, end="", flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
