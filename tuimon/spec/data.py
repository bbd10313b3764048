"""The data section of a spec, and what is known about each dataset before it is read. Knows no torch."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import Meta

from tuimon.base.errors import TuimonError

TaskName = Literal["classification", "regression", "reconstruction", "text", "quadratic"]

DatasetName = Literal[
    "digits", "breast_cancer", "wine", "iris", "diabetes", "california_housing", "mnist", "fashion_mnist", "cifar10",
    "moons", "spirals", "blobs", "csv", "npz", "folder", "text", "quadratic",
]  # fmt: skip


class Dataset(NamedTuple):
    """Size, shape and task of a dataset: its own task, or the one that a spec uses it for."""

    examples: int
    input_shape: tuple[int, ...]  # of one example: (channels, height, width) for images, (characters,) for text
    outputs: int  # classes, characters of the vocabulary, or values to predict
    task: TaskName = "classification"


# Built-in datasets. For the user's own files and for text, this is unknown until they are read.
DATASETS: dict[str, Dataset] = {
    "digits": Dataset(1797, (1, 8, 8), 10),
    "breast_cancer": Dataset(569, (30,), 2),
    "wine": Dataset(178, (13,), 3),
    "iris": Dataset(150, (4,), 3),
    "diabetes": Dataset(442, (10,), 1, "regression"),
    "california_housing": Dataset(20_640, (8,), 1, "regression"),
    "mnist": Dataset(70_000, (1, 28, 28), 10),
    "fashion_mnist": Dataset(70_000, (1, 28, 28), 10),
    "cifar10": Dataset(60_000, (3, 32, 32), 10),
    "moons": Dataset(600, (2,), 2),
    "spirals": Dataset(600, (2,), 2),
    "blobs": Dataset(600, (2,), 3),
    "quadratic": Dataset(101, (1,), 1, "quadratic"),
}
FUNCTIONS = ("quadratic", "bowl")  # models without data
FILES = ("csv", "npz", "folder")  # the user's own


class DataSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The data to learn from."""

    name: Annotated[
        DatasetName, Meta(description="the dataset; csv, npz: your own table; folder: your own pictures; text: a file")
    ] = "digits"
    path: Annotated[
        str,
        Meta(
            description="file of csv, npz or text; folder of pictures, or a CSV file that names them; "
            "folder of published data (default: $TUIMON_DATA, or ./data)"
        ),
    ] = ""
    task: Annotated[
        Literal["auto", "classification", "regression", "reconstruction", "text", "quadratic"],
        Meta(description="what to learn; auto: the dataset's own task; reconstruction: reproduce the inputs"),
    ] = "auto"
    target: Annotated[
        str, Meta(description="target column of a table (name or number) or array of npz; empty: the last column, or y")
    ] = ""
    size: Annotated[
        int, Meta(ge=0, le=1024, description="pixels of each side of the pictures of a folder; 0: as they are, all the same")
    ] = 0
    fill: Annotated[
        Literal["none", "mean", "median", "zero"],
        Meta(description="empty cells of csv inputs: mean or median of the training split, zero, or none: refuse them"),
    ] = "none"
    download: Annotated[bool, Meta(description="download a published dataset if it is not in the folder")] = True
    context: Annotated[int, Meta(ge=1, le=65_536, description="length of a training sequence of text, in characters")] = 64
    val_fraction: Annotated[
        float, Meta(gt=0, lt=1, description="fraction held out for validation; unused if the dataset has a test set")
    ] = 0.2
    train_fraction: Annotated[float, Meta(gt=0, le=1, description="fraction of the training split to use")] = 1.0
    train_examples: Annotated[int, Meta(ge=0, le=10**9, description="use at most this many training examples; 0: all")] = 0
    classes: Annotated[int, Meta(ge=0, le=1_000_000, description="use only this many classes, the first ones; 0: all")] = 0
    shuffled_labels: Annotated[
        float, Meta(ge=0, le=1, description="fraction of the training targets to shuffle among themselves")
    ] = 0.0
    batch_size: Annotated[int, Meta(ge=1, le=1_000_000, description="examples per step, at most the whole training split")] = 32
    scale: Annotated[
        Literal["zscore", "center", "minmax", "decimal", "whiten", "none"],
        Meta(description="input scaling: unit variance, zero mean, range 0 to 1, power of ten, decorrelated, or none"),
    ] = "zscore"
    target_scale: Annotated[
        Literal["zscore", "none"],
        Meta(description="scaling of regression targets: unit variance over the training split, or none"),
    ] = "zscore"
    shift: Annotated[int, Meta(ge=0, le=1024, description="augmentation: shift images by up to this many pixels")] = 0
    rotation: Annotated[float, Meta(ge=0, le=180, description="augmentation: rotate images by up to this many degrees")] = 0.0

    permuted: Annotated[
        bool, Meta(description="shuffle the pixels or columns of all examples by one fixed permutation: no neighbours are left")
    ] = False
    val_offset: Annotated[
        float, Meta(ge=-1000, le=1000, description="add this to the validation inputs: data that drifted since training")
    ] = 0.0

    @property
    def known(self) -> Dataset:
        """The dataset as this spec uses it, with its task and number of classes.

        Raises:
            TuimonError: it is unknown until the data are read. A model's `build` gets a spec that knows it.
        """
        if self.name not in DATASETS:
            raise TuimonError(f"data.name = {self.name!r}: shape and outputs are unknown until the data are read")
        return used_for(DATASETS[self.name], self)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example without the batch dimension: (channels, height, width) for images."""
        return self.known.input_shape

    @property
    def outputs(self) -> int:
        """Number of outputs that the model needs: classes, characters, or values to predict."""
        return self.known.outputs

    @property
    def augmented(self) -> bool:
        """Whether training batches are augmented."""
        return bool(self.shift or self.rotation)


class ReadDataSpec(DataSpec, frozen=True, kw_only=True):
    """A data section plus what reading the data found; a model's `build(spec)` gets this one."""

    found: Dataset

    @property
    def known(self) -> Dataset:
        """The dataset that was found when the data were read."""
        return self.found


class TransferSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to copy from another run before training starts."""

    source: Annotated[str, Meta(description="run (folder or name) or checkpoint file to copy weights from; empty: none")] = ""
    layers: Annotated[tuple[str, ...], Meta(description="layers to copy, by name or the start of it; empty: all that fit")] = ()
    frozen: Annotated[bool, Meta(description="keep the copied layers fixed during training")] = False


def used_for(own: Dataset, spec: DataSpec) -> Dataset:
    """A dataset as a spec uses it: another task has different outputs, and classes can be left out."""
    task = own.task if spec.task == "auto" else spec.task
    if task == own.task:
        outputs = min(own.outputs, spec.classes or own.outputs) if task == "classification" else own.outputs
    else:
        outputs = math.prod(own.input_shape) if task == "reconstruction" else 1
    return own._replace(task=task, outputs=outputs)


def check_data(spec: DataSpec) -> None:
    """Refuses settings that do not fit together, as far as that is known without reading the data.

    Raises:
        TuimonError: one line that names the key.
    """
    if spec.name in FILES and not spec.path:
        such = "folder with a folder of pictures for each class, such as data.path=pictures"
        what = such if spec.name == "folder" else f"file, such as data.path=mine.{spec.name}"
        raise TuimonError(f"data.path: {spec.name} needs the path of a {what}")
    special = spec.name if spec.name in ("text", "quadratic") else ""
    tasks = ("auto", special) if special else ("auto", "classification", "regression", "reconstruction")
    if spec.task not in tasks:
        raise TuimonError(f"data.task = {spec.task!r}: {spec.name} supports {', '.join(tasks)}")
    if spec.name in DATASETS:
        check_use(DATASETS[spec.name], spec)
    elif special and (spec.augmented or spec.classes):
        raise TuimonError("data.shift, data.rotation, data.classes: text has no images and no classes")


def check_use(own: Dataset, spec: DataSpec) -> None:
    """Refuses uses that a dataset does not support.

    Raises:
        TuimonError: one line that names the key.
    """
    task = used_for(own, spec).task
    if task == "classification" != own.task:
        raise TuimonError(f"data.task = {spec.task!r}: the targets of {spec.name} are numbers, not classes")
    if task == "classification" and own.outputs < 2:
        raise TuimonError(f"data.target: all targets of {spec.name} are the same class; classification needs at least two")
    if spec.classes and own.task != "classification":
        raise TuimonError(f"data.classes = {spec.classes}: {spec.name} has no classes")
    if spec.classes == 1 or spec.classes > own.outputs:
        raise TuimonError(f"data.classes = {spec.classes}: must be from 2 to {own.outputs}, the classes of {spec.name}")
    if spec.augmented and (len(own.input_shape) != 3 or task == "reconstruction"):
        why = (
            "does not work with reconstruction, whose targets would have to move, too"
            if task == "reconstruction"
            else f"{spec.name} has no images"
        )
        raise TuimonError(f"data.{'shift' if spec.shift else 'rotation'}: {why}")
    if spec.augmented and spec.permuted:
        raise TuimonError(
            "data.permuted = true: shuffled pixels cannot be shifted or rotated; set data.shift and data.rotation to 0"
        )


def check_model(model: str, data: DataSpec) -> None:
    """Refuses data that a built-in model cannot read, as far as that is known. Does not judge a user's own model.

    Raises:
        TuimonError: one line that names the model and what it needs.
    """
    if model.endswith(".py"):
        return
    if data.name in FILES and not isinstance(data, ReadDataSpec):
        _check_model_of_table(model, data)
        return
    task = "text" if data.name == "text" else data.known.task
    if task == "text" and model not in ("rnn", "transformer"):
        raise TuimonError(f"model.name = {model!r}: cannot read text; use rnn or transformer")
    if (model in FUNCTIONS) != (task == "quadratic"):
        its = " or ".join(FUNCTIONS)
        needs = "it needs data.name = 'quadratic'" if model in FUNCTIONS else f"that needs model.name = {its}"
        raise TuimonError(f"model.name = {model!r}: does not fit data.name = {data.name!r}; {needs}")
    if model == "cnn" and len(data.input_shape) != 3:
        raise TuimonError(
            f"model.name = 'cnn': needs images of shape (channels, height, width); {data.name} has {data.input_shape}"
        )


def _check_model_of_table(model: str, data: DataSpec) -> None:
    """What is known before the table is read."""
    if model in FUNCTIONS:
        raise TuimonError(f"model.name = {model!r}: does not fit data.name = {data.name!r}; it needs data.name = 'quadratic'")
    if model == "cnn" and data.name == "csv":
        raise TuimonError("model.name = 'cnn': needs images, but the rows of a csv table are vectors; use mlp, or npz")


def located(path: str, folder: Path) -> str:
    """Makes a path absolute, relative to `folder`; an empty path stays empty."""
    return os.path.abspath(folder / os.path.expanduser(path)) if path else ""
