"""The user's own arrays: NPZ files, as `numpy.savez("mine.npz", x=inputs, y=targets)` writes them."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DataSpec
from tuimon.training.data.raw import Floats, Integers, Raw

Array = npt.NDArray[Any]

_INPUTS, _TARGETS = ("x", "X", "inputs", "data", "images"), ("y", "Y", "targets", "target", "labels")
_SUFFIXES = (("_train", "_test"), ("_train", "_val"))


def read_npz(spec: DataSpec) -> Raw:
    """Reads inputs `x` and targets `y` of an NPZ file, or `x_train`, `y_train`, `x_test`, `y_test`.

    Integer targets are classes, others are values; uint8 arrays of three or more dimensions are images.

    Raises:
        TuimonError: the file is not valid; the text names the file, the array and the index.
    """
    path = Path(spec.path)
    arrays = _load(path)
    for train, test in _SUFFIXES:
        if any(name + train in arrays for name in _INPUTS) and any(name + test in arrays for name in _INPUTS):
            first, second = _read(path, arrays, spec, train), _read(path, arrays, spec, test)
            return _joined(path, first, second)
    return _read(path, arrays, spec, "")


def _load(path: Path) -> dict[str, Array]:
    try:
        with open(path, "rb") as file:  # numpy leaves a damaged file open
            content = np.load(file, allow_pickle=False)
            if isinstance(content, np.ndarray):
                raise TuimonError(
                    f"{path}: contains a single array without a name", "Save it with numpy.savez(path, x=…, y=…)."
                )
            return dict(content)
    except OSError as error:
        reason = error.strerror or error
        raise TuimonError(f"data.path: {path} cannot be read: {reason}", "Name an NPZ file with data.path.") from error
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        raise TuimonError(f"{path}: not an NPZ file of numbers: {error}") from error


def _read(path: Path, arrays: dict[str, Array], spec: DataSpec, suffix: str) -> Raw:
    inputs_name = _choose(path, arrays, [name + suffix for name in _INPUTS], "inputs")
    inputs = _images(_finite(path, inputs_name, arrays[inputs_name]))
    if spec.task == "reconstruction" and not spec.target:
        return Raw(inputs, None)
    wanted = [spec.target + suffix] if spec.target else [name + suffix for name in _TARGETS]
    name = _choose(path, arrays, wanted, "targets")
    targets = arrays[name]
    if len(targets) != len(inputs):
        raise TuimonError(f"{path}: {inputs_name} has {len(inputs)} rows, but {name} has {len(targets)}")
    return Raw(inputs, *_targets(path, name, targets, spec.task))


def _choose(path: Path, arrays: dict[str, Array], names: list[str], what: str) -> str:
    name = next((name for name in names if name in arrays), None)
    if name is None:
        has = ", ".join(f"{key} {list(array.shape)}" for key, array in arrays.items())
        raise TuimonError(f"{path}: has no {what}: expected one of {', '.join(names)}; it has {has}")
    if arrays[name].ndim == 0 or not len(arrays[name]):
        raise TuimonError(f"{path}: {name} is empty")
    return name


def _finite(path: Path, name: str, array: Array) -> Array:
    if array.dtype.kind not in "fiub":
        raise TuimonError(f"{path}: {name} must be numeric, but its dtype is {array.dtype}")
    with np.errstate(over="ignore"):
        finite = np.isfinite(array.astype(np.float32))
    if not finite.all():
        place = ", ".join(str(index) for index in np.argwhere(~finite)[0])
        raise TuimonError(f"{path}: {name}[{place}] is not a finite number")
    return array


def _images(inputs: Array) -> Floats:
    """Converts inputs to float32 [N, *shape]: adds a dimension to [N], and moves the channels of uint8 images first."""
    if inputs.ndim == 1 or (inputs.ndim == 3 and inputs.dtype == np.uint8):
        inputs = inputs[:, None]
    elif inputs.dtype == np.uint8 and inputs.ndim == 4 and inputs.shape[3] in (1, 3, 4):
        inputs = inputs.transpose(0, 3, 1, 2)
    return np.ascontiguousarray(inputs, dtype=np.float32)


def _targets(path: Path, name: str, targets: Array, task: str) -> tuple[Integers | Floats, tuple[str, ...]]:
    texts = targets.dtype.kind in "US"
    if targets.ndim == 2 and targets.shape[1] == 1:
        targets = targets[:, 0]
    if task == "classification" or texts or (task != "regression" and targets.ndim == 1 and targets.dtype.kind in "iub"):
        if targets.ndim != 1 or task == "regression":
            raise TuimonError(f"{path}: {name} {list(targets.shape)} of {targets.dtype} does not fit {task}")
        kinds, numbers = np.unique(targets if texts else _finite(path, name, targets), return_inverse=True)
        return numbers.astype(np.int64), tuple(str(kind) for kind in kinds.astype(str))
    return _finite(path, name, targets).astype(np.float32).reshape(len(targets), -1), ()


def _joined(path: Path, train: Raw, test: Raw) -> Raw:
    if train.inputs.shape[1:] != test.inputs.shape[1:] or (train.class_names != test.class_names):
        raise TuimonError(f"{path}: training and test arrays differ in shape or classes")
    inputs = np.concatenate([train.inputs, test.inputs])
    if train.targets is None or test.targets is None:
        return Raw(inputs, None, train=len(train.inputs))
    if train.targets.shape[1:] != test.targets.shape[1:]:
        raise TuimonError(f"{path}: training and test targets differ in shape")
    return Raw(inputs, np.concatenate([train.targets, test.targets]), train.class_names, train=len(train.inputs))
