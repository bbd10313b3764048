"""Transfer from another run: copies weights and buffers of its checkpoint by name, and optionally freezes them.

Only tensors are read from the file (`weights_only=True`), so none of its code is run.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from tuimon.base.errors import TuimonError
from tuimon.spec.data import TransferSpec
from tuimon.training import checkpoint
from tuimon.training.output import say

Weights = dict[str, Tensor]


def transfer(spec: TransferSpec, model: nn.Module) -> list[str]:
    """Copies weights of another run into a new model, and freezes them if the spec says so.

    Returns:
        The names of the copied parameters and buffers; empty without a source.

    Raises:
        TuimonError: there is no such checkpoint, a named layer is missing or has a different shape, or nothing fits.
    """
    if not spec.source:
        return []
    path = find_checkpoint(spec.source)
    there, here = read_weights(path), model.state_dict()
    if spec.layers:
        names = [name for layer in spec.layers for name in _named(layer, there, here, path)]
    else:
        names = [name for name in here if name in there and here[name].shape == there[name].shape]
        if not names:
            raise TuimonError(f"transfer.source: no layer of {path} fits the model; it has {_layers(there)}")
    model.load_state_dict({name: there[name] for name in names}, strict=False)
    if spec.frozen:
        freeze(model, names)
    _tell(path, names, there, here, spec.frozen)
    return names


def find_checkpoint(source: str) -> Path:
    """The checkpoint file of a source: the file itself, or the best (otherwise the last) checkpoint of a run.

    Raises:
        TuimonError: there is no such file or run.
    """
    path = Path(os.path.expanduser(source))
    if not path.exists() and "/" not in source:
        path = Path(os.path.expanduser(os.environ.get("TUIMON_RUNS") or "runs")).absolute() / source
    if path.is_file():
        return path
    for name in (checkpoint.BEST, checkpoint.LAST):
        if (path / checkpoint.FOLDER / name).is_file():
            return path / checkpoint.FOLDER / name
    what = f"{path} has no checkpoint" if path.is_dir() else f"there is no run or file {path}"
    raise TuimonError(f"transfer.source = {source!r}: {what}", "Name a trained run, its folder, or a .pt file.")


def read_weights(path: Path) -> Weights:
    """Reads the model's state dict from a checkpoint, or from a file that contains nothing else.

    Raises:
        TuimonError: the file is damaged, or contains no state dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds of errors for damaged files
        reason = str(error).strip().partition("\n")[0]
        raise TuimonError(f"transfer.source: {path} is not a readable checkpoint: {reason}") from error
    state = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise TuimonError(f"transfer.source: {path} contains no state dict of a model")
    return state


def freeze(model: nn.Module, names: list[str]) -> None:
    """Turns off gradients for the named parameters, and the updates of named running averages."""
    for name in names:
        owner = model.get_submodule(name.rpartition(".")[0])
        value = getattr(owner, name.rpartition(".")[2])
        if isinstance(value, nn.Parameter):
            value.requires_grad_(False)
        elif isinstance(owner, _NormBase):
            owner.momentum = 0.0  # update rate of running averages


def _named(layer: str, there: Weights, here: Weights, path: Path) -> list[str]:
    """The entries of a layer, or of all layers whose names start so; each must exist in both with the same shape."""
    names = [name for name in here if name.startswith(f"{layer}.")] or [name for name in here if name.startswith(layer)]
    if not names:
        raise TuimonError(f"transfer.layers: the model has no layer {layer}; it has {_layers(here)}")
    for name in names:
        if name not in there:
            raise TuimonError(f"transfer.layers: {path} has no {name}; it has {_layers(there)}")
        if there[name].shape != here[name].shape:
            shapes = f"{list(there[name].shape)} in {path}, {list(here[name].shape)} in the model"
            raise TuimonError(f"transfer.layers: {name} is {shapes}", "Give both runs the same model.hidden and data.")
    return names


def _layers(weights: Weights) -> str:
    return ", ".join(dict.fromkeys(name.rpartition(".")[0] or name for name in weights))


def _tell(path: Path, names: list[str], there: Weights, here: Weights, frozen: bool) -> None:
    taken = {name: here[name] for name in names}
    other = {name: here[name] for name in here if name in there and here[name].shape != there[name].shape}
    say(
        f"copied from {path}: {_layers(taken)}{' (frozen)' if frozen else ''}"
        + (f"; not copied, because shapes differ: {_layers(other)}" if other else "")
    )
