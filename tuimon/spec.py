"""Spec: all that defines a run, as one typed, frozen description.

TOML in and out, `key=value` overrides from a command line, and errors that name the key, the value and what is allowed.
Knows no torch: what a name such as `adam` builds is the trainer's business. Called from any process and thread.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import msgspec
from msgspec import Meta

from tuimon import fields as _fields
from tuimon.combinations import check_together
from tuimon.data_spec import DATASETS, Dataset, DataSpec, TransferSpec, check_data, check_model, located
from tuimon.errors import TuimonError
from tuimon.fields import FieldInfo
from tuimon.here import current_folder
from tuimon.presets import (
    DEFAULT_PRESET,
    PresetInfo,
    did_you_mean,
    model_names,
    models_folder,
    preset_paths,
    presets,
    read_toml,
)
from tuimon.sections import (
    ACTIVATIONS,
    OPTIMIZERS,
    ActivationName,
    InitSpec,
    LossSpec,
    NormName,
    OptimizerSpec,
    OutputName,
    RegularizationSpec,
    ScheduleSpec,
    TrainingSpec,
)

__all__ = [
    "ACTIVATIONS", "DATASETS", "DEFAULT_PRESET", "MAY_CHANGE", "OPTIMIZERS", "SHORT_NAMES", "SPEC_FILE", "DataSpec", "Dataset",
    "FieldInfo", "PresetInfo", "Spec", "check_value", "fields", "find_key", "load_spec", "model_names", "models_folder",
    "overrides_for", "parse_spec", "presets", "save_spec", "with_overrides",
]  # fmt: skip

SPEC_FILE = "spec.toml"  # in a run's folder


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What learns: one of the files in models/, or a user's own."""

    name: Annotated[
        str,
        Meta(
            description="the model: a name, or the path of your own file with build(spec)",
            extra={"choices": model_names, "other": r".+\.py", "other_text": "the path of a .py file"},
        ),
    ] = "mlp"
    hidden: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_536)], ...], Meta(description="widths of the hidden layers (channels in a CNN)")
    ] = (128, 128)
    activation: Annotated[ActivationName, Meta(description="after each hidden layer")] = "relu"
    slope: Annotated[float, Meta(ge=0, le=1, description="below zero, of leaky_relu")] = 0.01
    norm: Annotated[NormName, Meta(description="between a hidden layer and its activation, of mlp and cnn")] = "none"
    groups: Annotated[int, Meta(ge=1, le=65_536, description="groups of units that norm=group normalizes together")] = 4
    residual: Annotated[bool, Meta(description="each hidden layer is added to what goes into it, of mlp and cnn")] = False
    output: Annotated[OutputName, Meta(description="after the last layer, of mlp and cnn; losses expect linear")] = "linear"
    dropout: Annotated[float, Meta(ge=0, lt=1, description="share of a hidden layer's outputs dropped in training")] = 0.0
    cell: Annotated[Literal["rnn", "lstm", "gru"], Meta(description="of rnn: what a recurrent layer is made of")] = "lstm"
    heads: Annotated[int, Meta(ge=1, le=1024, description="of transformer: attention heads a block")] = 4
    options: Annotated[dict[str, Any], Meta(description="anything your own model's build(spec) reads")] = {}


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that defines a run."""

    title: Annotated[str, Meta(description="one line, for lists")] = ""
    group: Annotated[str, Meta(description="what it is listed under")] = ""
    text: Annotated[tuple[str, ...], Meta(description="what to watch, and what to try")] = ()
    preset: Annotated[str, Meta(description="what it was made from; a file that names a preset begins with its values")] = ""
    data: DataSpec = DataSpec()
    model: ModelSpec = ModelSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    init: InitSpec = InitSpec()
    loss: LossSpec = LossSpec()
    regularization: RegularizationSpec = RegularizationSpec()
    training: TrainingSpec = TrainingSpec()
    transfer: TransferSpec = TransferSpec()

    @property
    def name(self) -> str:
        """A short name for runs made from it: `digits-mlp`."""
        return Path(self.preset or DEFAULT_PRESET).stem

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers; `parse_spec` reads them back.

        Raises:
            TuimonError: a text or a path in it is not Unicode, as bytes on a command line may be.
        """
        try:
            plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        except UnicodeEncodeError as error:
            raise TuimonError(f"{error.object!r}: a text or a path of a spec must be UTF-8") from error
        return plain

    def to_toml(self) -> str:
        """The whole description, every default written out; `load_spec` reads it back."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())


SHORT_NAMES = {
    "lr": "optimizer.lr", "epochs": "training.epochs", "steps": "training.steps", "batch_size": "data.batch_size",
    "optimizer": "optimizer.name", "activation": "model.activation", "seed": "training.seed", "device": "training.device",
    "model": "model.name", "data": "data.name",
}  # fmt: skip

# What may change when a run goes on; all else is in its checkpoint already, or would make it another run.
MAY_CHANGE = (
    "training.epochs", "training.steps", "training.device", "training.validate_every", "training.checkpoint_every",
    "regularization.early_stopping",
)  # fmt: skip
_OPTIONS = "model.options."
_LABELS = ("title", "group", "text", "preset")  # say what a spec is; change nothing in a run
_SECTIONS = ("data", "model", "optimizer", "training")  # of which a file that tuimon wrote has all


@functools.cache
def _table() -> dict[str, FieldInfo]:
    return {field.key: field for field in _fields.describe(Spec)}


def fields() -> list[FieldInfo]:
    """Every field that can be set, with its type, bounds, choices and help, in the order of the file."""
    return [field for key, field in _table().items() if key not in _LABELS]


def find_key(name: str) -> str:
    """The full dotted key that a name on a command line means: itself, a short name, or the end of just one key.

    Raises:
        TuimonError: there is none, or more than one.
    """
    table = _table()
    if name in table or (name.startswith(_OPTIONS) and len(name) > len(_OPTIONS)):
        return name
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    ends = [key for key in table if key.rpartition(".")[2] == name]
    if len(ends) > 1:
        raise TuimonError(f"{name}: could be {' or '.join(ends)}; write the whole key")
    return ends[0] if ends else _no_such_key(name)


def check_value(key: str, text: str) -> Any:
    """The value that a text typed for a key means.

    Raises:
        TuimonError: one line that names the key, the value, what is allowed, and the nearest valid name.
    """
    key = find_key(key)
    return _fields.guess(text) if key.startswith(_OPTIONS) else _fields.parse(_table()[key], text)


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
    table = _table()
    if key in table:
        return _fields.check(table[key], value)
    if "." in key:
        return _no_such_key(key)
    sections = list(dict.fromkeys(known.partition(".")[0] for known in table if "." in known))
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


def _no_such_key(key: str) -> NoReturn:
    section, _, last = key.partition(".")
    within = [name.partition(".")[2] for name in _table() if name.startswith(f"{section}.")]
    meant = [field.key for field in _table().values() if _says(field, last or key)]
    if len(meant) == 1:
        nearest = f"; did you mean {meant[0]}?"
    elif last and within:
        nearest = did_you_mean(last, within) or f"; [{section}] has {', '.join(within)}"
    else:
        ends = (name.rpartition(".")[2] for name in _table())
        nearest = did_you_mean(key, [*SHORT_NAMES, *_table(), *ends])
    raise TuimonError(f"{key}: no such key{nearest}")


def _says(field: FieldInfo, name: str) -> bool:
    """Whether a name is a field's own, without its section, or what its help calls it: `learning_rate`."""
    return name in (field.key.rpartition(".")[2], field.help.partition(":")[0].replace(" ", "_"))


def _put(data: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    for part in path:
        data = data.setdefault(part, {})
    data[last] = value


def _flat(spec: Spec) -> dict[str, Any]:
    values = {field.key: functools.reduce(getattr, field.key.split("."), spec) for field in fields()}
    options: dict[str, Any] = values.pop("model.options")  # type: ignore[assignment]
    return values | {_OPTIONS + name: value for name, value in options.items()}


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
