"""The keys of a spec: how a command line and a file may name them, and what each may hold.

Knows no torch and no files. Pure functions, any process and thread.
"""

from __future__ import annotations

import functools
from typing import Any, NoReturn

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean
from tuimon.spec import fields as _fields
from tuimon.spec.fields import FieldInfo
from tuimon.spec.spec import Spec

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
OPTIONS = "model.options."
_LABELS = ("title", "group", "text", "preset")  # say what a spec is; change nothing in a run


@functools.cache
def table() -> dict[str, FieldInfo]:
    """All keys of a spec, labels too, in the order of the file."""
    return {field.key: field for field in _fields.describe(Spec)}


def fields() -> list[FieldInfo]:
    """Every field that can be set, with its type, bounds, choices and help, in the order of the file."""
    return [field for key, field in table().items() if key not in _LABELS]


def find_key(name: str) -> str:
    """The full dotted key that a name on a command line means: itself, a short name, or the end of just one key.

    Raises:
        TuimonError: there is none, or more than one.
    """
    known = table()
    if name in known or (name.startswith(OPTIONS) and len(name) > len(OPTIONS)):
        return name
    if name in SHORT_NAMES:
        return SHORT_NAMES[name]
    ends = [key for key in known if key.rpartition(".")[2] == name]
    if len(ends) > 1:
        raise TuimonError(f"{name}: could be {' or '.join(ends)}; write the whole key")
    return ends[0] if ends else no_such_key(name)


def check_value(key: str, text: str) -> Any:
    """The value that a text typed for a key means.

    Raises:
        TuimonError: one line that names the key, the value, what is allowed, and the nearest valid name.
    """
    key = find_key(key)
    return _fields.guess(text) if key.startswith(OPTIONS) else _fields.parse(table()[key], text)


def no_such_key(key: str) -> NoReturn:
    """Raises TuimonError: nothing is called so; says what comes nearest."""
    section, _, last = key.partition(".")
    within = [name.partition(".")[2] for name in table() if name.startswith(f"{section}.")]
    meant = [field.key for field in table().values() if _says(field, last or key)]
    if len(meant) == 1:
        nearest = f"; did you mean {meant[0]}?"
    elif last and within:
        nearest = did_you_mean(last, within) or f"; [{section}] has {', '.join(within)}"
    else:
        ends = (name.rpartition(".")[2] for name in table())
        nearest = did_you_mean(key, [*SHORT_NAMES, *table(), *ends])
    raise TuimonError(f"{key}: no such key{nearest}")


def _says(field: FieldInfo, name: str) -> bool:
    """Whether a name is a field's own, without its section, or what its help calls it: `learning_rate`."""
    return name in (field.key.rpartition(".")[2], field.help.partition(":")[0].replace(" ", "_"))
