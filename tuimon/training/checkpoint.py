"""Checkpoints: everything that a run needs to continue as if it had never stopped, in one file that is safe to load.

A file gets its name only when it is complete, so the previous one survives any error while writing. Contains only tensors and
plain values: loading a checkpoint (`weights_only=True`) runs no code from it.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import torch
from torch import nn

from tuimon.base.errors import TuimonError
from tuimon.spec.keys import MAY_CHANGE, may_differ_in_fork
from tuimon.spec.loading import parse_spec
from tuimon.spec.spec import Spec

FORMAT = 2
FOLDER, LAST, BEST = "checkpoints", "last.pt", "best.pt"
FORK = "fork.pt"  # the one of another run that this run goes on from


def save(path: Path, content: dict[str, Any]) -> None:
    """Writes a checkpoint, then replaces the previous one with it.

    Raises:
        OSError: it could not be written, for example on a full disk; the previous one is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)  # even if the run's folder was deleted: no training is lost
        with open(temporary, "wb") as file:
            torch.save(content | {"format": FORMAT}, file)
            file.flush()
            os.fsync(file.fileno())  # some file systems only now report a full disk
        os.replace(temporary, path)
    except RuntimeError as error:  # torch hides the file's own error behind one about positions
        raise error.__context__ if isinstance(error.__context__, OSError) else OSError(str(error)) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def load(path: Path) -> dict[str, Any]:
    """Loads a checkpoint into CPU memory.

    Raises:
        TuimonError: it does not exist, is damaged, or has a format that this version does not know.
    """
    if not path.is_file():
        raise TuimonError(
            f"Cannot resume: there is no checkpoint {path}", "The run may have ended before its first checkpoint."
        )
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        known = content["format"] == FORMAT
    except Exception as error:  # torch raises many kinds of errors for damaged files
        reason = str(error).strip().partition("\n")[0]
        raise TuimonError(f"Cannot resume: {path} is not a readable checkpoint: {reason}") from error
    if not known:
        raise TuimonError(f"Cannot resume: {path} has format {content['format']}; this version of tuimon reads {FORMAT}")
    return content


def differences(content: dict[str, Any], spec: Spec) -> dict[str, tuple[Any, Any]]:
    """The keys whose values differ: the checkpoint's value, and the spec's."""
    there, here = _flat(parse_spec(content["spec"]).to_dict()), _flat(spec.to_dict())
    return {key: (there.get(key), here.get(key)) for key in here | there if here.get(key) != there.get(key)}


def check_same_run(content: dict[str, Any], spec: Spec, fork: bool = False) -> None:
    """Refuses a spec that describes a different run from the checkpoint's; a fork may differ in more than a resumed run.

    Raises:
        TuimonError: names the first key that differs.
    """
    doing, may = ("fork", may_differ_in_fork) if fork else ("resume", MAY_CHANGE.__contains__)
    for key, (there, here) in differences(content, spec).items():
        if not may(key):
            raise TuimonError(
                f"Cannot {doing} with {key} = {here!r}: the checkpoint was made with {there!r}",
                "Keep the run's own value, or start a new run.",
            )


def check_same_model(content: dict[str, Any], model: nn.Module) -> None:
    """Refuses a model whose parameters differ from the checkpoint's, for example because its file has changed.

    Raises:
        TuimonError: names the first parameter that differs.
    """
    there, here = content["model"], model.state_dict()
    for name in here | there:
        if name not in there or name not in here:
            where = "the checkpoint" if name not in there else "the model"
            raise TuimonError(f"Cannot resume: the model does not fit the checkpoint: {name} is not in {where}")
        if here[name].shape != there[name].shape:
            shapes = f"{list(there[name].shape)} in the checkpoint, {list(here[name].shape)} in the model"
            raise TuimonError(f"Cannot resume: the model does not fit the checkpoint: {name} is {shapes}")


def _flat(spec: dict[str, Any]) -> dict[str, Any]:
    """The values of a spec by dotted key; for a user's own model, the file name instead of the path."""
    values = {
        f"{section}.{key}": value for section, inner in spec.items() if isinstance(inner, dict) for key, value in inner.items()
    }
    return values | {"model.name": Path(values["model.name"]).name}
