"""What the Launch screen's fields mean: which there are, what is wrong with them, and the command that says the same.

Pure functions over plain texts; knows no Textual and no torch.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.spec.fields import FieldInfo
from tuimon.spec.keys import check_value, fields, find_key
from tuimon.spec.loading import load_spec, overrides_for
from tuimon.spec.spec import Spec

PRESET, NAME, MORE = "preset", "name", "more"


class Script(NamedTuple):
    """A training script of the user's own, in the place of a preset."""

    path: str
    arguments: tuple[str, ...] = ()
    device: str | None = None  # None: what it sees by itself


class Row(NamedTuple):
    """One row of the form: a label and the spec's key, or one of PRESET, NAME and MORE."""

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
    Row("more", MORE, "where"),
)
SPEC_KEYS = tuple(row.key for row in ROWS if "." in row.key)
_DEVICE = "training.device"
OF_A_SCRIPT = (PRESET, _DEVICE, NAME, MORE)  # the fields that say something of a script
_HELP = {
    PRESET: "to begin with; or your own .toml or script (.py)",
    NAME: "the run's name; empty: made from the preset's",
    MORE: "anything else, as on the command line: momentum=0.9 training.precision=bfloat16",
}


_SCRIPTS_HELP = {
    PRESET: "your script, as it is; at its first optimizer step its model is watched",
    _DEVICE: "auto: whatever the script sees by itself",
    NAME: "the run's name; empty: made from the script's",
    MORE: "the script's own arguments",
}


def is_script(source: str) -> bool:
    """Whether what stands in the preset's field is a training script."""
    return source.endswith(".py")


def field_of(key: str) -> FieldInfo | None:
    """What the spec says of a key; None for the rows that are no part of it."""
    return next((field for field in fields() if field.key == key), None)


def choices_of(key: str) -> tuple[str, ...]:
    """What a field can be picked from; empty when it is typed."""
    field = field_of(key)
    return field.choices if field else ()


def is_open(key: str) -> bool:
    """Whether a picked field takes other texts than its choices: a path, another device."""
    field = field_of(key)
    return key == PRESET or bool(field and field.other)


def help_of(key: str) -> str:
    """What stands beside a field while nothing is wrong with it."""
    field = field_of(key)
    return _HELP[key] if field is None else field.help


def texts_of(spec: Spec) -> dict[str, str]:
    """The spec's values as the form's texts."""
    return {key: _show(_value(spec, key)) for key in SPEC_KEYS}


def problem(key: str, text: str, script: bool = False) -> str:
    """What is wrong with one field's text; empty when nothing is. Of a script, few fields say anything."""
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
    """The fields that `more` sets to another value than stands in them, each with the setting as it is typed there."""
    try:
        settings = {find_key(part.partition("=")[0]): part for part in _split(texts.get(MORE, "")) if "=" in part}
        return {key: part for key, part in settings.items() if key in SPEC_KEYS and _differs(key, texts[key], part)}
    except TuimonError:
        return {}  # which the check of the field tells


def note_of(key: str, taken: Mapping[str, str], script: bool = False) -> str:
    """What stands beside a field while nothing is wrong with it, when `more` takes these fields' places."""
    if script:
        return _SCRIPTS_HELP.get(key, "the script's own affair")
    if key in taken:
        return f"not this, but {taken[key]}, from more"
    if key == MORE and taken:
        return "in place of the field: " + ", ".join(row.label for row in ROWS if row.key in taken)
    return help_of(key)


def spec_of(preset: str, texts: Mapping[str, str]) -> Spec:
    """The spec that the form says.

    Raises:
        TuimonError: one line about the first thing that is wrong.
    """
    base = texts_of(load_spec(preset))
    changed = [f"{key}={texts[key]}" for key in SPEC_KEYS if key in texts and texts[key].strip() != base[key]]
    return load_spec(preset, [*changed, *_split(texts.get(MORE, ""))])


def script_of(source: str, texts: Mapping[str, str]) -> Script:
    """The script that the form says, with its arguments.

    Raises:
        TuimonError: one line about the first thing that is wrong.
    """
    device = texts[_DEVICE].strip()
    return Script(source, tuple(_split(texts.get(MORE, ""))), None if device == "auto" else device)


def shell_command(wanted: Spec | Script, source: str, name: str, runs_dir: Path) -> str:
    """The command that launches the same run from a shell, from the source that was chosen.

    Raises:
        TuimonError: the source is gone meanwhile. What the source itself was made from need not be there.
    """
    from tuimon.launcher.runs.runs import runs_dir as usual

    options = ["--name", name] if name else []
    if runs_dir != usual():
        options += ["--runs-dir", _shortened(str(runs_dir))]
    if isinstance(wanted, Script):  # what stands behind a script is its own
        options += ["--device", wanted.device] if wanted.device else []
        return shlex.join(["tuimon", "run", *options, _shortened(wanted.path), *wanted.arguments])
    return shlex.join(["tuimon", "run", _shortened(source), *overrides_for(wanted, source), *options])


def _check(key: str, text: str) -> None:
    if key == PRESET:
        _check_source(text)
    elif key == NAME:
        _check_name(text.strip())
    elif key == MORE:
        for part in _split(text):
            _check_setting(part)
    else:
        check_value(key, text)


def _check_source(text: str) -> None:
    if not is_script(text):
        load_spec(text)
    elif not os.path.isfile(os.path.expanduser(text)):  # which, unlike Path's, never raise
        raise TuimonError(f"{text}: there is no such file")


def _check_name(name: str) -> None:
    from tuimon.base.run_name import check_name

    if name:
        check_name(name)


def _check_setting(text: str) -> None:
    key, equals, value = text.partition("=")
    if not equals:
        raise TuimonError(f"more: {text!r} is not key=value")
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
    """A path below the current folder as it is typed there."""
    try:
        return str(Path(path).relative_to(Path.cwd())) if Path(path).is_absolute() else path
    except ValueError:
        return path
