"""Starting from another run: weights and buffers of its checkpoint, taken over by their names, and frozen if that is asked.

Nothing but tensors is read from the file (`weights_only=True`), so none of it is run.
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
    """Puts what another run has learned into a new model, and freezes it if that is asked.

    Returns:
        The names of the parameters and buffers that were taken over; empty where no source is named.

    Raises:
        TuimonError: there is no such checkpoint, or a layer that is named is missing or of another shape; or nothing fits.
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
            raise TuimonError(f"transfer.source: nothing in {path} fits the model; it has {_layers(there)}")
    model.load_state_dict({name: there[name] for name in names}, strict=False)
    if spec.frozen:
        freeze(model, names)
    _tell(path, names, there, here, spec.frozen)
    return names


def find_checkpoint(source: str) -> Path:
    """The file that a source means: itself, or the best (else the last) checkpoint of a run's folder or name.

    Raises:
        TuimonError: there is none.
    """
    path = Path(os.path.expanduser(source))
    if not path.exists() and "/" not in source:
        path = Path(os.path.expanduser(os.environ.get("TUIMON_RUNS") or "runs")).absolute() / source
    if path.is_file():
        return path
    for name in (checkpoint.BEST, checkpoint.LAST):
        if (path / checkpoint.FOLDER / name).is_file():
            return path / checkpoint.FOLDER / name
    what = f"{path} has no checkpoint" if path.is_dir() else f"no run and no file {path}"
    raise TuimonError(f"transfer.source = {source!r}: {what}", "Name a run that has been trained, its folder, or a .pt file.")


def read_weights(path: Path) -> Weights:
    """The model's state in a checkpoint of ours, or in a file that holds nothing else.

    Raises:
        TuimonError: it is damaged, or holds no state of a model.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever the bytes of a damaged file make torch raise
        reason = str(error).strip().partition("\n")[0]
        raise TuimonError(f"transfer.source: {path} is not a readable checkpoint: {reason}") from error
    state = content.get("model", content) if isinstance(content, dict) else content
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise TuimonError(f"transfer.source: {path} holds no state of a model")
    return state


def freeze(model: nn.Module, names: list[str]) -> None:
    """No gradient for those parameters; running averages of a layer that was taken over stay as they are too."""
    for name in names:
        owner = model.get_submodule(name.rpartition(".")[0])
        value = getattr(owner, name.rpartition(".")[2])
        if isinstance(value, nn.Parameter):
            value.requires_grad_(False)
        elif isinstance(owner, _NormBase):
            owner.momentum = 0.0  # how fast the averages of a batch normalization move


def _named(layer: str, there: Weights, here: Weights, path: Path) -> list[str]:
    """The entries of a layer, else of all whose names begin so; each must be on both sides, of one shape."""
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
        f"from {path}: {_layers(taken)}{', frozen' if frozen else ''}"
        + (f"; {_layers(other)} not taken over: another shape" if other else "")
    )
