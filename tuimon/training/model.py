"""Builds the model that a spec names, from models/ or from a user's file, in the same way.

A model file is loaded by its path and has a function `build(spec) -> nn.Module`. Errors in a user's file name the file and the
line.
"""

from __future__ import annotations

import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

import torch
from torch import Tensor, nn

from tuimon.base.errors import TuimonError
from tuimon.spec.data import check_model
from tuimon.spec.presets import models_folder
from tuimon.spec.spec import Spec


def build_model(spec: Spec, example: Tensor) -> nn.Module:
    """Builds a model on the device of `example`, and tries it once.

    Args:
        spec: names the model; its `build` gets this spec.
        example: [B, *input_shape]; the model must return [B, outputs], or [B, characters, outputs] for text. The trial also
            initializes lazy layers.

    Raises:
        TuimonError: the file cannot be loaded, has no `build`, or does not build a model for these data.
    """
    check_model(spec.model.name, spec.data)
    path = model_path(spec.model.name)
    model = _build(load_module(path), path, spec).to(example.device)
    positions = example.shape[1:] if spec.data.known.task == "text" else ()
    _check_output(model, path, example, (len(example), *positions, spec.data.outputs))
    return model


def model_path(name: str) -> Path:
    """The file of a model, given by name or by path."""
    return Path(name) if name.endswith(".py") else models_folder() / f"{name}.py"


def load_module(path: Path) -> ModuleType:
    """Runs a model file as a separate module outside any package. It can import other files of its folder.

    Raises:
        TuimonError: there is no such file, or running it raised an error; the text names the line.
    """
    name = f"tuimon_model_{path.stem}"
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None or not path.is_file():
        raise TuimonError(f"model.name = {str(path)!r}: no such file")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # like the import system: dataclasses and pickle look it up there
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last, so that no file there shadows an installed package
    try:
        found.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise TuimonError(f"Cannot load {_place(error, path)}: {_told(error)}") from error
    return module


def _build(module: ModuleType, path: Path, spec: Spec) -> nn.Module:
    build = getattr(module, "build", None)
    if not callable(build):
        raise TuimonError(f"{path}: has no function build(spec) that returns the model")
    try:
        model = build(spec)
    except TuimonError:
        raise  # already says what is wrong with the spec
    except Exception as error:
        raise TuimonError(f"Cannot build the model: {_place(error, path)}: {_told(error)}") from error
    if not isinstance(model, nn.Module):
        line = build.__code__.co_firstlineno if hasattr(build, "__code__") else 1
        raise TuimonError(f"{path}, line {line}: build(spec) must return a torch.nn.Module, not {_article(model)}")
    return model


def _check_output(model: nn.Module, path: Path, example: Tensor, wanted: tuple[int, ...]) -> None:
    was_training = model.training
    model.eval()  # so that the trial draws no dropout and moves no running averages
    try:
        with torch.no_grad():
            result = model(example)
    except TuimonError:
        raise
    except Exception as error:
        shape = tuple(example.shape)
        raise TuimonError(f"The model fails on inputs of shape {shape}: {_place(error, path)}: {_told(error)}") from error
    finally:
        model.train(was_training)
    if not isinstance(result, Tensor) or tuple(result.shape) != wanted:
        got = f"{tuple(result.shape)}" if isinstance(result, Tensor) else _article(result)
        raise TuimonError(f"{path}: the model must return outputs of shape {wanted} for these data, not {got}")


def _place(error: BaseException, path: Path) -> str:
    """The file and the last line of it that the error went through; a syntax error has none, and says its own."""
    if isinstance(error, SyntaxError):
        return f"{error.filename or path}, line {error.lineno}"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if Path(frame.filename) == path]
    return f"{path}, line {lines[-1]}" if lines else str(path)


def _told(error: BaseException) -> str:
    text = (error.msg if isinstance(error, SyntaxError) else str(error)).strip()
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _article(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
