"""The Launch screen's form: its fields, how they are validated, and the equivalent command.

Pure functions on plain texts; knows no Textual and no torch.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tuimon.base.bounds import Bounds, bounds_of
from tuimon.base.errors import TuimonError
from tuimon.launcher.start.program import is_spec, program_of
from tuimon.search.begin import plan_for_program, plan_for_spec
from tuimon.search.plan import Plan
from tuimon.search.space import dimension, is_dimension
from tuimon.spec.fields import FieldInfo
from tuimon.spec.keys import check_value, fields, find_key
from tuimon.spec.loading import load_spec, overrides_for
from tuimon.spec.spec import Spec

PRESET, NAME, AUTOPILOT, MORE = "preset", "name", "autopilot", "more"
OFF, ON = "off", "on"
_TRIALS = re.compile(r"trials=[1-9]\d{0,5}")


class Script(NamedTuple):
    """The user's own program, in place of a preset: its words as they follow `tuimon run`."""

    words: tuple[str, ...]
    device: str | None = None  # None: the script chooses


class Searching(NamedTuple):
    """A search, where `more` has a range in place of a value: its plan, and the words that follow `tuimon search`."""

    plan: Plan
    words: tuple[str, ...]


class Row(NamedTuple):
    """One row of the form: a label, and a key of the spec or one of PRESET, NAME, AUTOPILOT and MORE."""

    label: str
    key: str
    group: str = ""


ROWS = (
    Row("preset", PRESET, "what"),
    Row("model", "model.name", "what"),
    Row("hidden layers", "model.hidden", "what"),
    Row("activation", "model.activation", "what"),
    Row("optimizer", "optimizer.name", "how"),
    Row("learning rate", "optimizer.lr", "how"),
    Row("batch size", "data.batch_size", "how"),
    Row("epochs", "training.epochs", "how"),
    Row("weight decay", "optimizer.weight_decay", "regularizers"),
    Row("L1 penalty", "regularization.l1", "regularizers"),
    Row("L2 penalty", "regularization.l2", "regularizers"),
    Row("dropout", "model.dropout", "regularizers"),
    Row("clip norm", "regularization.clip_norm", "regularizers"),
    Row("device", "training.device", "where"),
    Row("seed", "training.seed", "where"),
    Row("name", NAME, "where"),
    Row("autopilot", AUTOPILOT, "where"),
    Row("more", MORE, "where"),
)
SPEC_KEYS = tuple(row.key for row in ROWS if "." in row.key)
_DEVICE, _OPTIMIZER, _DECAY = "training.device", "optimizer.name", "optimizer.weight_decay"
OF_A_SCRIPT = (PRESET, _DEVICE, NAME, AUTOPILOT, MORE)  # the fields that a script uses
_HELP = {
    PRESET: "a preset, or your own .toml, script or command",
    NAME: "the run's name; if empty, derived from the preset's",
    AUTOPILOT: "applies remedies of what is found; other: its bounds, as most=3,every=50,levers=lr_scale",
    MORE: "other settings: momentum=0.9; or ranges to search, and how many trials: lr=log(1e-5,1e-1) trials=20",
}


_SCRIPTS_HELP = {
    PRESET: "your program, unchanged; tuimon watches its model from the first optimizer step",
    _DEVICE: "auto: the script chooses",
    NAME: "the run's name; if empty, derived from the script's",
    AUTOPILOT: _HELP[AUTOPILOT],
    MORE: "the script's own arguments",
}


def is_script(source: str) -> bool:
    """Whether the text of the preset field names the user's own program: a script, or anything that can be started."""
    if is_spec(source):
        return False
    try:
        return _is_file_name(source) or bool(program_of(_words_in(source)))
    except TuimonError:
        return False


def _is_file_name(source: str) -> bool:
    """Whether a source is a single path: an existing file, maybe with spaces in its name, or any .py file."""
    return (source.split() == [source] and source.endswith(".py")) or os.path.isfile(os.path.expanduser(source))


def _words_in(source: str) -> list[str]:
    return [source] if _is_file_name(source) else _split(source) or [source]


def field_of(key: str) -> FieldInfo | None:
    """The spec's description of a key; None for rows that are not in the spec."""
    return next((field for field in fields() if field.key == key), None)


def choices_of(key: str) -> tuple[str, ...]:
    """A field's choices; empty if it is free text."""
    if key == AUTOPILOT:
        return OFF, ON
    field = field_of(key)
    return field.choices if field else ()


def is_open(key: str) -> bool:
    """Whether a field with choices also takes other texts: a path, another device."""
    field = field_of(key)
    return key in (PRESET, AUTOPILOT) or bool(field and field.other)


def help_of(key: str) -> str:
    """The text beside a field while it is valid."""
    field = field_of(key)
    return _HELP[key] if field is None else field.help


def texts_of(spec: Spec) -> dict[str, str]:
    """A spec's values as the form's texts."""
    return {key: _show(_value(spec, key)) for key in SPEC_KEYS}


def problem(key: str, text: str, script: bool = False) -> str:
    """What is wrong with one field's text; empty if nothing is. A script uses few fields, so the others are never wrong."""
    if script and key not in OF_A_SCRIPT:
        return ""
    try:
        if script and key == MORE:
            _split(text)
            return ""
        _check(key, text)
    except TuimonError as error:
        return error.message.partition(": ")[2] or error.message
    return ""


def overridden(texts: Mapping[str, str]) -> dict[str, str]:
    """The fields that `more` sets to a different value, each with the setting as typed there."""
    try:
        settings = {find_key(part.partition("=")[0]): part for part in _split(texts.get(MORE, "")) if "=" in part}
        return {key: part for key, part in settings.items() if key in SPEC_KEYS and _differs(key, texts[key], part)}
    except TuimonError:
        return {}  # the field's own check reports this


def note_of(key: str, taken: Mapping[str, str], script: bool = False) -> str:
    """The text beside a valid field, given the fields that `more` overrides."""
    if script:
        return _SCRIPTS_HELP.get(key, "set by the script itself")
    if key in taken:
        return f"overridden by {taken[key]} in more"
    if key == MORE and taken:
        return "overrides " + ", ".join(row.label for row in ROWS if row.key in taken)
    return help_of(key)


def spec_of(preset: str, texts: Mapping[str, str]) -> Spec:
    """The spec that the form describes.

    Raises:
        TuimonError: one line about the first error.
    """
    return load_spec(preset, [*_changed(preset, texts), *_split(texts.get(MORE, ""))])


def _changed(preset: str, texts: Mapping[str, str]) -> list[str]:
    """The fields that differ from the preset's, as settings."""
    base = texts_of(load_spec(preset))
    changed = [f"{key}={texts[key]}" for key in SPEC_KEYS if key in texts and texts[key].strip() != base[key]]
    if texts.get(_OPTIMIZER, base[_OPTIMIZER]).strip() != base[_OPTIMIZER]:  # its own default is not what the form shows
        changed.append(f"{_DECAY}={texts.get(_DECAY, base[_DECAY])}")
    return changed


def wanted_of(source: str, texts: Mapping[str, str]) -> Spec | Script | Searching:
    """What the form describes.

    Raises:
        TuimonError: one line about the first error.
    """
    words = _split(texts.get(MORE, ""))
    if not any(is_dimension(word.rpartition("=")[2]) for word in words):
        return script_of(source, texts) if is_script(source) else spec_of(source, texts)
    trials = next((word for word in words if _TRIALS.fullmatch(word)), "trials=20")
    kept = [word for word in words if word != trials]
    options = {"budget": f"{trials.partition('=')[2]} trials"}
    if is_script(source):
        program = (*_words_in(source), *kept)
        return Searching(plan_for_program(program, options), (_shortened(program[0]), *program[1:]))
    changed = _changed(source, texts)
    return Searching(plan_for_spec(source, [*changed, *kept], options), (_shortened(source), *changed, *kept))


def script_of(source: str, texts: Mapping[str, str]) -> Script:
    """The script that the form describes, with its arguments.

    Raises:
        TuimonError: one line about the first error.
    """
    device = texts[_DEVICE].strip()
    return Script((*_words_in(source), *_split(texts.get(MORE, ""))), None if device == "auto" else device)


def program_words(source: str) -> tuple[str, ...]:
    """The user's own program, without arguments."""
    return tuple(_words_in(source))


def autopilot_of(text: str) -> Bounds | None:
    """The bounds of the autopilot; None while it is off.

    Raises:
        TuimonError: the text is neither on nor off, nor bounds.
    """
    word = text.strip()
    return None if word in ("", OFF) else bounds_of("" if word == ON else word)


def shell_command(wanted: Spec | Script | Searching, source: str, texts: Mapping[str, str], runs_dir: Path) -> str:
    """The shell command that launches the same run from the chosen source.

    Raises:
        TuimonError: the source no longer exists. The files it was made from need not exist.
    """
    from tuimon.launcher.runs.runs import runs_dir as usual

    name, bounds = texts[NAME].strip(), autopilot_of(texts[AUTOPILOT])
    options = ["--name", name] if name else []
    if bounds is not None and not isinstance(wanted, Searching):
        options += ["--autopilot"] if bounds == Bounds() else ["--autopilot-bounds", str(bounds)]
    if runs_dir != usual():
        options += ["--runs-dir", _shortened(str(runs_dir))]
    if isinstance(wanted, Searching):
        return shlex.join(["tuimon", "search", *options, "--budget", wanted.plan.budget, *wanted.words])
    if isinstance(wanted, Script):  # a script needs no overrides
        options += ["--device", wanted.device] if wanted.device else []
        return shlex.join(["tuimon", "run", *options, _shortened(wanted.words[0]), *wanted.words[1:]])
    return shlex.join(["tuimon", "run", _shortened(source), *overrides_for(wanted, source), *options])


def _check(key: str, text: str) -> None:
    if key == PRESET:
        _check_source(text)
    elif key == NAME:
        _check_name(text.strip())
    elif key == AUTOPILOT:
        autopilot_of(text)
    elif key == MORE:
        for part in _split(text):
            _check_setting(part)
    else:
        check_value(key, text)


def _check_source(text: str) -> None:
    if not is_script(text):
        load_spec(text)
    elif not os.path.isfile(os.path.expanduser(text)):  # unlike Path's methods, these never raise
        raise TuimonError(f"{text}: no such file")


def _check_name(name: str) -> None:
    from tuimon.base.run_name import check_name

    if name:
        check_name(name)


def _check_setting(text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise TuimonError(f"more: {text!r} is not key=value")
    if is_dimension(value):
        dimension(key, value)
    elif not _TRIALS.fullmatch(text):
        check_value(key, value)


def _differs(key: str, text: str, setting: str) -> bool:
    return bool(check_value(key, text) != check_value(key, setting.partition("=")[2]))


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise TuimonError(f"more: {error}") from error


def _value(spec: Spec, key: str) -> Any:
    section, _, name = key.partition(".")
    return getattr(getattr(spec, section), name)


def _show(value: Any) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(item) for item in value)
    return str(value)


def _shortened(path: str) -> str:
    """A path below the current folder, relative to it."""
    try:
        return str(Path(path).relative_to(Path.cwd())) if Path(path).is_absolute() else path
    except ValueError:
        return path
