"""Begins a study: reads what is to be varied from the command line or a file, checks it, and makes the study's folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tuimon.base.errors import TuimonError
from tuimon.base.here import current_folder
from tuimon.launcher.start.program import program_of
from tuimon.launcher.start.run_folder import make_run_folder
from tuimon.search.plan import BASE_FILE, JOURNAL_FILE, Plan, plan_of
from tuimon.search.space import is_dimension
from tuimon.search.study_file import STUDY_FILE
from tuimon.spec.keys import check_value, find_key
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import read_toml
from tuimon.spec.spec import Spec


def is_plan(source: str) -> bool:
    """Whether a file is a study's plan, with its own [space]."""
    return source.endswith(".toml") and Path(source).is_file() and "space" in read_toml(Path(source))


def plan_for_spec(source: str, words: Sequence[str], options: Mapping[str, Any]) -> Plan:
    """The plan of a search over a preset or a spec file, or of one in a file of its own.

    Args:
        source: a preset, a spec file, or a file with [space].
        words: `key=value` settings; those whose value is a range or a choice are varied.
        options: more keys of the plan.

    Raises:
        TuimonError: something in it is wrong.
    """
    data: dict[str, Any] = dict(read_toml(Path(source))) if is_plan(source) else {"source": source}
    settings, space = list(data.get("settings", ())), dict(data.get("space", {}))
    for word in words:
        name, equals, value = word.partition("=")
        if not equals:
            raise TuimonError(f"{word!r}: must be key=value, or key=range such as lr=log(1e-5,1e-1)")
        if is_dimension(value):
            space[name.strip()] = value
        else:
            settings.append(word)
    where = STUDY_FILE if data.keys() == {"source"} else source
    plan = plan_of({**data, "settings": settings, "space": space, **options}, where)
    _check_space(plan)
    return plan


def plan_for_program(words: Sequence[str], options: Mapping[str, Any]) -> Plan:
    """The plan of a search over a program's own options: `train.py --lr=log(1e-5,1e-1) --layers int(1,4)`.

    Raises:
        TuimonError: nothing is varied, or a range is wrong.
    """
    program, space, option = [], {}, ""
    for i, word in enumerate(words):
        name, equals, value = word.rpartition("=")
        if equals and is_dimension(value) and i:
            space[name.lstrip("-")] = value
            program.append(f"{name}={{{name.lstrip('-')}}}")
        elif is_dimension(word) and option:
            space[option] = word
            program.append(f"{{{option}}}")
        else:
            program.append(word)
        option = word.lstrip("-") if word.startswith("-") and not equals else ""
    if not space:
        hint = "Give an option a range: --lr='log(1e-5,1e-1)', --layers='int(1,4)', --act='choice(relu,tanh)'."
        raise TuimonError(f"No option of {words[0]} is varied.", hint)
    program_of(words)  # raises if there is no such program
    return plan_of({"program": program, "space": space, "cwd": str(current_folder()), **options}, "search")


def base_spec(plan: Plan) -> Spec:
    """The spec that a plan varies."""
    return load_spec(plan.source, plan.settings)


def base_text(plan: Plan, folder: Path) -> str:
    """What must not change under a study: its base spec, or its program's source.

    Raises:
        TuimonError: it cannot be read.
    """
    try:
        if not plan.program:
            return (folder / BASE_FILE).read_text()
        file = program_of(plan.program, Path(plan.cwd)).file
        return (Path(plan.cwd) / file).read_text(errors="replace") if file else ""
    except OSError as error:
        raise TuimonError(f"Cannot read {error.filename}: {error.strerror}.") from error


def make_study(plan: Plan, runs_dir: Path, name: str | None) -> Path:
    """Makes the folder of a new study, with its plan, the spec that it varies, and an empty journal.

    Raises:
        TuimonError: the name is taken, or it cannot be made; nothing is left behind.
    """
    files = {STUDY_FILE: plan.to_toml().encode(), JOURNAL_FILE: b""}
    if plan.program:
        stem = program_of(plan.program, Path(plan.cwd)).name
    else:
        spec = base_spec(plan)
        stem, files[BASE_FILE] = spec.name, spec.to_toml().encode()
    return make_run_folder(runs_dir, name, f"{stem}-search", files)


def _check_space(plan: Plan) -> None:
    """Checks each key and the ends of each range; what does not fit together is found by the trials that meet it."""
    base_spec(plan)
    for one in plan.dimensions:
        key = find_key(one.name)
        for value in one.choices or (one.shown(one.low), one.shown(one.high)):
            check_value(key, value)
    keys = [find_key(one.name) for one in plan.dimensions]
    if len(set(keys)) < len(keys):
        raise TuimonError(f"{', '.join(plan.space)}: the same key is varied twice")
