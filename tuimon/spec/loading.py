"""Reads specs from TOML, puts `key=value` overrides in, and writes specs back.

Errors name the file, the key, the value and what is allowed. Whatever leaves this module can be trained as far as one can know
without torch: single fields have been checked, and so has what they say together. Called from any process and thread.
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
from tuimon.spec import fields as _fields
from tuimon.spec.combinations import check_together
from tuimon.spec.data import check_data, check_model, located
from tuimon.spec.keys import OPTIONS, SHORT_NAMES, check_value, fields, find_key, no_such_key, table
from tuimon.spec.presets import DEFAULT_PRESET, preset_paths, read_toml
from tuimon.spec.sections import OPTIMIZERS
from tuimon.spec.spec import SPEC_FILE, ModelSpec, Spec

_SECTIONS = ("data", "model", "optimizer", "training")  # of which a file that tuimon wrote has all


def load_spec(source: str | Path, overrides: Sequence[str] = ()) -> Spec:
    """The spec in a preset, a TOML file or a run's folder, with `key=value` overrides put in.

    A path in a file is relative to that file, one in an override to the current folder; both are made absolute. A file that
    names a preset says what is other than there; one that tuimon wrote says everything, and only remembers the preset.

    Raises:
        TuimonError: one line that names what is wrong and where.
    """
    path, preset = _find_source(source)
    data = read_toml(path)
    try:
        spec = parse_spec(_with_preset(data))
    except TuimonError as error:
        raise TuimonError(f"{path}: {error.message}", error.hint) from error
    spec = msgspec.structs.replace(_located(spec, path.parent), preset=spec.preset or preset)
    return with_overrides(spec, overrides)


def save_spec(spec: Spec, folder: Path) -> None:
    """Writes the spec as spec.toml into a folder, made if need be; whole or not at all.

    Raises:
        TuimonError: the folder cannot be made or written to.
    """
    temporary = folder / f".{SPEC_FILE}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary.write_text(spec.to_toml(), encoding="utf-8")
        os.replace(temporary, folder / SPEC_FILE)
    except OSError as error:
        raise TuimonError(f"Cannot write the run's spec into {folder}: {error.strerror}") from error


def parse_spec(data: Mapping[str, Any]) -> Spec:
    """The spec that plain tables say; what they leave out has its default.

    Raises:
        TuimonError: one line about the first thing that is wrong.
    """
    checked = {key: _misplaced(key) if "." in key else _checked(key, value) for key, value in data.items()}
    spec = msgspec.convert(checked, Spec)
    _check_together(spec)
    return spec


def with_overrides(spec: Spec, overrides: Sequence[str]) -> Spec:
    """The spec with `key=value` texts put in, each typed by its field; the last of two wins.

    Epochs that are told without steps take the place of the spec's steps, which would decide otherwise.

    Raises:
        TuimonError: one line about the first that is wrong.
    """
    data, keys = spec.to_dict(), []
    for override in overrides:
        name, separator, text = override.partition("=")
        if not separator or not name.strip():
            raise TuimonError(f"{override!r}: must be key=value, such as lr=0.01")
        keys.append(find_key(name.strip()))
        if keys[-1] == "preset":
            raise TuimonError(f"{override}: not a setting, but what to begin with; name it first: tuimon run {text.strip()}")
        _put(data, keys[-1], check_value(keys[-1], text))
    if "training.epochs" in keys and "training.steps" not in keys:
        _put(data, "training.steps", 0)
    changed = parse_spec(data)
    _check_used(changed, keys)
    return _located(changed, current_folder()) if overrides else changed


def overrides_for(spec: Spec, source: str | Path = "") -> list[str]:
    """What to write after a `source` (else `spec.preset`, else the default preset) to get this spec.

    Raises:
        TuimonError: there is no such source (any more).
    """
    base, wanted = _flat(load_spec(source or spec.preset or DEFAULT_PRESET)), _flat(spec)
    unused = _unused(spec) | ({"training.epochs"} if spec.training.steps else set())
    changed = [key for key, value in wanted.items() if base.get(key) != value and key not in unused]
    short = {key: name for name, key in SHORT_NAMES.items()}
    return [f"{short.get(key, key)}={_fields.show(wanted[key])}" for key in changed]


def _find_source(source: str | Path) -> tuple[Path, str]:
    """The file to read, and what to call it; a preset's name goes before a file in the current folder."""
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
            f"A training script is trained and watched by `tuimon run {source}`. "
            f"A file with build(spec) is a model: `tuimon run digits-mlp model.name={source}`.",
        )
    return path.resolve(), str(path.resolve())


def _with_preset(data: Mapping[str, Any]) -> Mapping[str, Any]:
    """The tables of a file, over those of the preset that it names."""
    name, known = data.get("preset", ""), preset_paths()
    if not isinstance(name, str) or name not in known:
        if name and not all(section in data for section in _SECTIONS):
            nearest = did_you_mean(str(name), known) or "; `tuimon presets` lists them"
            raise TuimonError(f"preset = {name!r}: no preset has this name{nearest}")
        return data
    base = read_toml(known[name])
    return base | {key: _over(base.get(key), value) for key, value in data.items()}


def _over(base: object, value: object) -> object:
    """A value of a file, in place of the preset's; of a section, each of its values."""
    if not (isinstance(base, Mapping) and isinstance(value, Mapping)):
        return value
    return {**base, **({"steps": 0} if "epochs" in value else {}), **value}  # as in `with_overrides`


def _checked(key: str, value: Any) -> Any:
    """A section or field of a file, every value in it checked."""
    known = table()
    if key in known:
        return _fields.check(known[key], value)
    if "." in key:
        return no_such_key(key)
    sections = list(dict.fromkeys(name.partition(".")[0] for name in known if "." in name))
    if key not in sections and isinstance(value, Mapping):
        raise TuimonError(f"{key}: no such section{did_you_mean(key, sections) or '; there are ' + ', '.join(sections)}")
    if key not in sections:
        return _misplaced(key)
    if not isinstance(value, Mapping):
        raise TuimonError(f"{key} = {value!r}: must be a section, [{key}]")
    return {name: _checked(f"{key}.{name}", inner) for name, inner in value.items()}


def _misplaced(key: str) -> NoReturn:
    """Of a file, a value that stands in no section."""
    section, _, name = find_key(key).rpartition(".")
    raise TuimonError(f"{key}: is in no section; write {name} = … in [{section}]")


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        data = data.setdefault(part, {})
    data[last] = value


def _flat(spec: Spec) -> dict[str, Any]:
    values = {field.key: functools.reduce(getattr, field.key.split("."), spec) for field in fields()}
    options: dict[str, Any] = values.pop("model.options")  # type: ignore[assignment]
    return values | {OPTIONS + name: value for name, value in options.items()}


def _located(spec: Spec, folder: Path) -> Spec:
    """The spec with the paths in it made absolute; names are left as they are."""
    source = spec.transfer.source
    transfer = located(source, folder) if "/" in source or source.endswith(".pt") else source
    return msgspec.structs.replace(
        spec,
        data=msgspec.structs.replace(spec.data, path=located(spec.data.path, folder)),
        model=_located_model(spec.model, folder),
        transfer=msgspec.structs.replace(spec.transfer, source=transfer),
    )


def _located_model(model: ModelSpec, folder: Path) -> ModelSpec:
    """The model with its own file's path made absolute; a name is left as it is."""
    if not model.name.endswith(".py"):
        return model
    path = Path(os.path.abspath(folder / os.path.expanduser(model.name)))
    if not path.is_file():
        raise TuimonError(f"model.name = {model.name!r}: no file {path}")
    return msgspec.structs.replace(model, name=str(path))


def _unused(spec: Spec) -> set[str]:
    """The optimizer settings that the spec's optimizer does not know."""
    settings = {name for names in OPTIMIZERS.values() for name in names}
    return {f"optimizer.{name}" for name in settings - set(OPTIMIZERS[spec.optimizer.name])}


def _check_used(spec: Spec, keys: Sequence[str]) -> None:
    for key in keys:
        if key in _unused(spec):
            setting = key.partition(".")[2]
            users = ", ".join(name for name, settings in OPTIMIZERS.items() if setting in settings)
            raise TuimonError(f"{key}: {spec.optimizer.name} has no {setting}; it belongs to {users}")


def _check_together(spec: Spec) -> None:
    check_data(spec.data)
    check_model(spec.model.name, spec.data)
    check_together(spec)
