"""What a spec says of its data, and what is known of a dataset before it is read. Knows no torch."""

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
    "csv", "npz", "text", "quadratic",
]  # fmt: skip


class Dataset(NamedTuple):
    """What is known of a dataset: its own task, or the one that it is used for."""

    examples: int
    input_shape: tuple[int, ...]  # of one example: (channels, height, width) of an image, (characters,) of a text
    outputs: int  # classes, characters of the vocabulary, or values to predict
    task: TaskName = "classification"


# The built-in ones. Of the user's own files, and of texts, this much is known only once they are read.
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
    "quadratic": Dataset(101, (1,), 1, "quadratic"),
}
FILES = ("csv", "npz")  # of the user's own


class DataSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is learned from."""

    name: Annotated[DatasetName, Meta(description="the dataset; csv and npz: a table of your own; text: characters")] = "digits"
    path: Annotated[
        str, Meta(description="of csv, npz and text: the file; of others: the folder ($TUIMON_DATA, else ./data)")
    ] = ""
    task: Annotated[
        Literal["auto", "classification", "regression", "reconstruction", "text", "quadratic"],
        Meta(description="what is learned; auto: what the data are for; reconstruction: to give the inputs back"),
    ] = "auto"
    target: Annotated[
        str, Meta(description="of csv: the column, by name or number; of npz: the array; empty: the last, or y")
    ] = ""
    download: Annotated[bool, Meta(description="fetch a published dataset that is not in the folder")] = True
    context: Annotated[int, Meta(ge=1, le=65_536, description="of text: characters that are seen at once")] = 64
    val_fraction: Annotated[
        float, Meta(gt=0, lt=1, description="share kept for validation; unused where a test set is published")
    ] = 0.2
    train_fraction: Annotated[float, Meta(gt=0, le=1, description="share of the training split that is used")] = 1.0
    train_examples: Annotated[int, Meta(ge=0, le=10**9, description="use at most so many training examples; 0: all")] = 0
    classes: Annotated[int, Meta(ge=0, le=1_000_000, description="use only the first so many classes; 0: all")] = 0
    shuffled_labels: Annotated[
        float, Meta(ge=0, le=1, description="share of the training targets shuffled among themselves")
    ] = 0.0
    batch_size: Annotated[int, Meta(ge=1, le=1_000_000, description="examples a step; all of them if there are fewer")] = 32
    scale: Annotated[
        Literal["zscore", "center", "minmax", "decimal", "whiten", "none"],
        Meta(description="inputs, by the training split: unit variance, zero mean, 0 to 1, powers of ten, decorrelated, as is"),
    ] = "zscore"
    target_scale: Annotated[
        Literal["zscore", "none"], Meta(description="targets of a regression: unit variance over the training split; as is")
    ] = "zscore"
    shift: Annotated[int, Meta(ge=0, le=1024, description="augmentation: images moved by up to so many pixels")] = 0
    rotation: Annotated[float, Meta(ge=0, le=180, description="augmentation: images turned by up to so many degrees")] = 0.0

    @property
    def known(self) -> Dataset:
        """The dataset as it will be used: for the task and the classes that are wanted.

        Raises:
            TuimonError: it is known only once the data are read; a model's `build` gets a spec that knows it.
        """
        if self.name not in DATASETS:
            raise TuimonError(f"data.name = {self.name!r}: shape and outputs are known only once the data are read")
        return used_for(DATASETS[self.name], self)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example, without the batch: (channels, height, width) of an image."""
        return self.known.input_shape

    @property
    def outputs(self) -> int:
        """How many outputs the model must have: classes, characters, or values to predict."""
        return self.known.outputs

    @property
    def augmented(self) -> bool:
        """Whether training batches are varied."""
        return bool(self.shift or self.rotation)


class ReadDataSpec(DataSpec, frozen=True, kw_only=True):
    """A data section together with what was found when the data were read: what a model's `build(spec)` gets."""

    found: Dataset

    @property
    def known(self) -> Dataset:
        """The dataset as it was read."""
        return self.found


class TransferSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is taken over from another run before training begins."""

    source: Annotated[str, Meta(description="a run's folder or name, or a checkpoint file; empty: nothing is taken")] = ""
    layers: Annotated[
        tuple[str, ...], Meta(description="the layers, by name or beginning of it; none named: all that fit")
    ] = ()
    frozen: Annotated[bool, Meta(description="whether what was taken over stays as it is")] = False


def used_for(own: Dataset, spec: DataSpec) -> Dataset:
    """A dataset as a spec uses it: another task has other outputs, and classes may be left out."""
    task = own.task if spec.task == "auto" else spec.task
    if task == own.task:
        outputs = min(own.outputs, spec.classes or own.outputs) if task == "classification" else own.outputs
    else:
        outputs = math.prod(own.input_shape) if task == "reconstruction" else 1
    return own._replace(task=task, outputs=outputs)


def check_data(spec: DataSpec) -> None:
    """Refuses what cannot go together, as far as that is known without reading anything.

    Raises:
        TuimonError: one line that names the key.
    """
    if spec.name in FILES and not spec.path:
        raise TuimonError(f"data.path: {spec.name} needs the path of a file, such as data.path=mine.{spec.name}")
    special = spec.name if spec.name in ("text", "quadratic") else ""
    if spec.task not in (("auto", special) if special else ("auto", "classification", "regression", "reconstruction")):
        raise TuimonError(f"data.task = {spec.task!r}: {spec.name} is not for that")
    if spec.name in DATASETS:
        check_use(DATASETS[spec.name], spec)
    elif special and (spec.augmented or spec.classes):
        raise TuimonError("data.shift, data.rotation, data.classes: a text has no images and no classes")


def check_use(own: Dataset, spec: DataSpec) -> None:
    """Refuses a use that a dataset is not fit for.

    Raises:
        TuimonError: one line that names the key.
    """
    task = used_for(own, spec).task
    if task == "classification" != own.task:
        raise TuimonError(f"data.task = {spec.task!r}: the targets of {spec.name} are numbers, not classes")
    if task == "classification" and own.outputs < 2:
        raise TuimonError(f"data.target: all targets of {spec.name} are the same class; there is nothing to tell apart")
    if spec.classes and own.task != "classification":
        raise TuimonError(f"data.classes = {spec.classes}: {spec.name} has no classes")
    if spec.classes == 1 or spec.classes > own.outputs:
        raise TuimonError(f"data.classes = {spec.classes}: must be at least 2, and {spec.name} has {own.outputs}")
    if spec.augmented and (len(own.input_shape) != 3 or task == "reconstruction"):
        why = "the targets would have to move too" if task == "reconstruction" else f"{spec.name} has no images"
        raise TuimonError(f"data.{'shift' if spec.shift else 'rotation'}: {why}")


def check_model(model: str, data: DataSpec) -> None:
    """Refuses data that a model of ours cannot read, as far as they are known; a user's own model is left to itself.

    Raises:
        TuimonError: one line that names the model and what it needs.
    """
    if model.endswith(".py") or (data.name in FILES and not isinstance(data, ReadDataSpec)):
        return
    task = "text" if data.name == "text" else data.known.task
    if task == "text" and model not in ("rnn", "transformer"):
        raise TuimonError(f"model.name = {model!r}: cannot read characters; rnn and transformer can")
    if (model == "quadratic") != (task == "quadratic"):
        raise TuimonError(
            f"model.name = {model!r}: data.name = {data.name!r} is not for it; quadratic and quadratic go together"
        )
    if model == "cnn" and len(data.input_shape) != 3:
        raise TuimonError(f"model.name = 'cnn': needs images, (channels, height, width); {data.name} has {data.input_shape}")


def located(path: str, folder: Path) -> str:
    """A path made absolute, from `folder`; the empty one is left as it is."""
    return os.path.abspath(folder / os.path.expanduser(path)) if path else ""
