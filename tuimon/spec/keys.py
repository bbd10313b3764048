"""The keys of a spec: their full and short names, and the values that they allow.

Knows no torch and no files. Pure functions, any process and thread.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NoReturn

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean
from tuimon.spec import fields as _fields
from tuimon.spec.fields import FieldInfo
from tuimon.spec.spec import Spec
from tuimon.spec.words import KEYS

SHORT_NAMES = {
    "lr": "optimizer.lr", "epochs": "training.epochs", "steps": "training.steps", "batch_size": "data.batch_size",
    "optimizer": "optimizer.name", "activation": "model.activation", "seed": "training.seed", "device": "training.device",
    "model": "model.name", "data": "data.name",
}  # fmt: skip

# What may change when a run is resumed. Everything else is in its checkpoint, or would make it a different run.
MAY_CHANGE = (
    "training.epochs", "training.steps", "training.device", "training.validate_every", "training.checkpoint_every",
    "training.keep_checkpoints", "training.samples", "regularization.early_stopping",
)  # fmt: skip
# What may be different in a fork, besides: it takes effect at the next step, whatever is in the checkpoint.
_IN_FORK = ("optimizer.", "schedule.", "loss.", "regularization.")
_OF_THE_STATE = ("optimizer.name",)  # the checkpoint has the state of that one
OPTIONS = "model.options."
_LABELS = ("title", "group", "text", "preset")  # describe a spec, but change nothing in a run


@functools.cache
def table() -> dict[str, FieldInfo]:
    """All keys of a spec, including labels, in the order of the file."""
    return {field.key: field for field in _fields.describe(Spec)}


def fields() -> list[FieldInfo]:
    """Every field that can be set, with its type, bounds, choices and help, in the order of the file."""
    return [field for key, field in table().items() if key not in _LABELS]


def find_key(name: str) -> str:
    """The full dotted key for a name on the command line: a full key, a short name, a section for its name, or a last part.

    Raises:
        TuimonError: no key or more than one matches.
    """
    known = table()
    if name in known or (name.startswith(OPTIONS) and len(name) > len(OPTIONS)):
        return name
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    if f"{name}.name" in known:
        return f"{name}.name"
    ends = [key for key in known if key.rpartition(".")[2] == name]
    if len(ends) > 1:
        own = " (the run's own name is given with --name)" if name == "name" else ""
        raise TuimonError(f"{name}: could be {' or '.join(ends)}; write the full key{own}")
    return ends[0] if ends else no_such_key(name)


def may_differ_in_fork(key: str) -> bool:
    """Whether a fork may have another value of a key than the run that it goes on from."""
    return key in MAY_CHANGE or key == "training.precision" or (key.startswith(_IN_FORK) and key not in _OF_THE_STATE)


def check_value(key: str, text: str) -> Any:
    """Parses and checks text that was typed for a key.

    Raises:
        TuimonError: one line that names the key, the value, the allowed values, and the nearest valid name.
    """
    key = find_key(key)
    return _fields.guess(text) if key.startswith(OPTIONS) else _fields.parse(table()[key], text)


def no_such_key(key: str) -> NoReturn:
    """Raises TuimonError for an unknown key, with the nearest known key as a suggestion."""
    section, _, last = key.partition(".")
    within = [name.partition(".")[2] for name in table() if name.startswith(f"{section}.")]
    meant = [field.key for field in table().values() if _says(field, last or key)]
    if key in KEYS:
        nearest = f"; did you mean {KEYS[key]}?"
    elif len(meant) == 1:
        nearest = f"; did you mean {meant[0]}?"
    elif last and within:
        nearest = did_you_mean(last, within) or f"; [{section}] has {', '.join(within)}"
    else:
        ends = (name.rpartition(".")[2] for name in table())
        nearest = did_you_mean(key, [*SHORT_NAMES, *table(), *ends])
    raise TuimonError(f"{key}: no such key{nearest}")


def _says(field: FieldInfo, name: str) -> bool:
    """Whether a name is a field's key without its section, or the name in its help text (`learning_rate`, `learningRate`)."""
    said = re.sub(r"[\W_]", "", name).lower()
    return said in (field.key.rpartition(".")[2].replace("_", ""), field.help.partition(":")[0].replace(" ", ""))
