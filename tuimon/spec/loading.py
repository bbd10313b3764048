"""Loads specs from TOML, applies `key=value` overrides, and saves specs.

Errors name the file, the key, the value and the allowed values. A loaded spec is valid as far as that can be known without
torch: each field is checked, and so are their combinations. Called from any process and thread.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.here import current_folder
from tuimon.base.nearest import did_you_mean
from tuimon.spec import SPEC_FILE
from tuimon.spec import fields as _fields
from tuimon.spec.combinations import check_together
from tuimon.spec.data import check_data, check_model, located
from tuimon.spec.keys import OPTIONS, SHORT_NAMES, check_value, fields, find_key, no_such_key, table
from tuimon.spec.presets import DEFAULT_PRESET, preset_paths, read_toml
from tuimon.spec.sections import OPTIMIZER_DEFAULTS, default_of
from tuimon.spec.spec import ModelSpec, Spec
from tuimon.spec.usage import check_used, unused

_SECTIONS = ("data", "model", "optimizer", "training")  # a file that tuimon wrote has all of them


def load_spec(source: str | Path, overrides: Sequence[str] = ()) -> Spec:
    """Loads the spec of a preset, a TOML file or a run's folder, and applies `key=value` overrides.

    A path in a file is relative to that file, a path in an override to the current folder; both become absolute. A file that
    names a preset starts from the preset's values. A file that tuimon wrote is complete; its preset is only a label.

    Raises:
        TuimonError: one line that says what is wrong, and where.
    """
    path, preset = _find_source(source)
    data = _without_claims(read_toml(path))
    try:
        spec = parse_spec(_with_preset(data))
    except TuimonError as error:
        raise TuimonError(f"{path}: {error.message}", error.hint) from error
    spec = msgspec.structs.replace(_located(spec, path.parent), preset=spec.preset or preset)
    return with_overrides(spec, overrides)


def save_spec(spec: Spec, folder: Path) -> None:
    """Saves the spec as spec.toml in a folder, atomically; creates the folder if needed.

    Raises:
        TuimonError: the folder cannot be created or written to.
    """
    temporary = folder / f".{SPEC_FILE}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(spec.to_toml(), encoding="utf-8")
        os.replace(temporary, folder / SPEC_FILE)
    except OSError as error:
        raise TuimonError(f"Cannot write the run's spec into {folder}: {error.strerror}") from error


def parse_spec(data: Mapping[str, Any]) -> Spec:
    """Builds a spec from plain dicts; missing fields get their defaults.

    Raises:
        TuimonError: one line about the first error.
    """
    checked = {key: _misplaced(key) if "." in key else _checked(key, value) for key, value in data.items()}
    plan = checked.get("optimizer", {})
    checked["optimizer"] = OPTIMIZER_DEFAULTS.get(plan.get("name", ""), {}) | plan
    spec = msgspec.convert(checked, Spec)
    _check_together(spec)
    return spec


def with_overrides(spec: Spec, overrides: Sequence[str]) -> Spec:
    """Applies `key=value` overrides; a later one wins over an earlier one for the same key.

    Setting epochs without steps resets steps to 0, because otherwise the spec's steps would decide. With another optimizer,
    settings that were at the default of the former one, but not the learning rate, get the new one's.

    Raises:
        TuimonError: one line about the first invalid override.
    """
    data, keys = spec.to_dict(), []
    for override in overrides:
        name, separator, text = override.partition("=")
        if not separator or not name.strip():
            raise TuimonError(f"{override!r}: must be key=value, such as lr=0.01")
        keys.append(find_key(name.strip()))
        if keys[-1] == "preset":
            raise TuimonError(f"{override}: preset is not a setting; start from the preset: tuimon run {text.strip()}")
        _put(data, keys[-1], check_value(keys[-1], text))
    _follow(data["optimizer"], spec.optimizer.name, keys)
    if "training.epochs" in keys and "training.steps" not in keys:
        _put(data, "training.steps", 0)
    changed = parse_spec(data)
    check_used(changed, keys)
    return _located(changed, current_folder()) if overrides else changed


def overrides_for(spec: Spec, source: str | Path = "") -> list[str]:
    """The overrides that turn `source` into this spec.

    Raises:
        TuimonError: the source does not exist (any more).
    """
    start = load_spec(source or spec.preset or DEFAULT_PRESET)
    plan = msgspec.structs.asdict(start.optimizer) | {"name": spec.optimizer.name}
    _follow(plan, start.optimizer.name, ())
    followed = {f"optimizer.{setting}": value for setting, value in plan.items() if setting != "name"}
    base, wanted = _flat(start) | followed, _flat(spec)
    left_out = set(unused(spec)) | ({"training.epochs"} if spec.training.steps else set())
    changed = [key for key, value in wanted.items() if base.get(key) != value and key not in left_out]
    short = {key: name for name, key in SHORT_NAMES.items()}
    return [f"{short.get(key, key)}={_fields.show(wanted[key])}" for key in changed]


def _find_source(source: str | Path) -> tuple[Path, str]:
    """The file to read and its label. A preset's name wins over a file in the current folder."""
    known = preset_paths()
    if str(source) in known:
        return known[str(source)], str(source)
    path = Path(os.path.expanduser(source))
    what, path = (f"folder with {SPEC_FILE}", path / SPEC_FILE) if path.is_dir() else ("file", path)
    if not path.is_file():
        nearest = did_you_mean(Path(source).stem, known) or "; `tuimon presets` lists them"
        raise TuimonError(f"{source}: no preset or {what} has this name{nearest}")
    if path.suffix == ".py":
        raise TuimonError(
            f"{source}: a Python file, not a spec",
            f"To train and watch a script, use `tuimon run {source}`. "
            f"To train a model file with build(spec), use `tuimon run digits-mlp model.name={source}`.",
        )
    return path.resolve(), str(path.resolve())


def _with_preset(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tables of a file, merged over those of the preset that it names."""
    name, known = data.get("preset", ""), preset_paths()
    if not isinstance(name, str) or name not in known:
        if name and not all(section in data for section in _SECTIONS):
            nearest = did_you_mean(str(name), known) or "; `tuimon presets` lists them"
            raise TuimonError(f"preset = {name!r}: no preset has this name{nearest}")
        return data
    base = _without_claims(read_toml(known[name]))
    return base | {key: _over(base.get(key), value) for key, value in data.items()}


def _without_claims(data: Mapping[str, Any]) -> dict[str, Any]:
    """A preset's claims are about its runs, and change nothing in them; `tuimon.spec.claims` reads them."""
    return {key: value for key, value in data.items() if key != "claims"}


def _over(base: object, value: object) -> object:
    """A value of a file replaces the preset's; sections are merged value by value."""
    if not (isinstance(base, Mapping) and isinstance(value, Mapping)):
        return value
    return {**base, **({"steps": 0} if "epochs" in value else {}), **value}  # as in `with_overrides`


def _checked(key: str, value: Any) -> Any:
    """Checks a section or field of a file, and every value in it."""
    known = table()
    if key in known:
        return _fields.check(known[key], value)
    if "." in key:
        return no_such_key(key)
    sections = list(dict.fromkeys(name.partition(".")[0] for name in known if "." in name))
    if key not in sections and isinstance(value, Mapping):
        raise TuimonError(f"{key}: no such section{did_you_mean(key, sections) or '; the sections are ' + ', '.join(sections)}")
    if key not in sections:
        return _misplaced(key)
    if not isinstance(value, Mapping):
        raise TuimonError(f"{key} = {value!r}: must be a section: [{key}]")
    return {name: _checked(f"{key}.{name}", inner) for name, inner in value.items()}


def _misplaced(key: str) -> NoReturn:
    """Raises TuimonError for a key of a file that is outside its section."""
    section, _, name = find_key(key).rpartition(".")
    raise TuimonError(f"{key}: is outside its section; write {name} = … under [{section}]")


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        data = data.setdefault(part, {})
    data[last] = value


def _follow(plan: dict[str, Any], former: str, keys: Sequence[str]) -> None:
    """Leaves out the settings of another optimizer that were at their default, so that they get that of the new one."""
    if plan["name"] == former:
        return
    for setting in {setting for defaults in OPTIMIZER_DEFAULTS.values() for setting in defaults} - {"lr"}:
        if f"optimizer.{setting}" not in keys and plan[setting] == default_of(former, setting):
            plan[setting] = default_of(plan["name"], setting)


def _flat(spec: Spec) -> dict[str, Any]:
    values = {field.key: functools.reduce(getattr, field.key.split("."), spec) for field in fields()}
    options: dict[str, Any] = values.pop("model.options")  # type: ignore[assignment]
    return values | {OPTIONS + name: value for name, value in options.items()}


def _located(spec: Spec, folder: Path) -> Spec:
    """Makes the paths in a spec absolute; names stay unchanged."""
    source = spec.transfer.source
    transfer = located(source, folder) if "/" in source or source.endswith(".pt") else source
    return msgspec.structs.replace(
        spec,
        data=msgspec.structs.replace(spec.data, path=located(spec.data.path, folder)),
        model=_located_model(spec.model, folder),
        transfer=msgspec.structs.replace(spec.transfer, source=transfer),
    )


def _located_model(model: ModelSpec, folder: Path) -> ModelSpec:
    """Makes the path of a user's model file absolute; a name stays unchanged."""
    if not model.name.endswith(".py"):
        return model
    path = Path(os.path.abspath(folder / os.path.expanduser(model.name)))
    if not path.is_file():
        raise TuimonError(f"model.name = {model.name!r}: file not found: {path}")
    return msgspec.structs.replace(model, name=str(path))


def _check_together(spec: Spec) -> None:
    check_data(spec.data)
    check_model(spec.model.name, spec.data)
    check_together(spec)
