"""Loads the data of a spec's [data] section as two splits on the device."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from tuimon.base.errors import TuimonError
from tuimon.spec.data import FILES, Dataset, DataSpec, check_use, used_for
from tuimon.training.data.arrays import read_npz
from tuimon.training.data.augment import Movement
from tuimon.training.data.bundled import bundled, read_california_housing
from tuimon.training.data.filling import filled
from tuimon.training.data.folder import read_folder
from tuimon.training.data.images import read_cifar10, read_fashion_mnist, read_mnist
from tuimon.training.data.points import points
from tuimon.training.data.raw import Integers, Raw
from tuimon.training.data.scaling import Preparation, prepare, zscore
from tuimon.training.data.split import Data, Split
from tuimon.training.data.table import read_csv
from tuimon.training.data.text import load_text

READERS: dict[str, Callable[[DataSpec], Raw]] = {
    "digits": bundled("load_digits"),
    "breast_cancer": bundled("load_breast_cancer"),
    "wine": bundled("load_wine"),
    "iris": bundled("load_iris"),
    "diabetes": bundled("load_diabetes"),
    "california_housing": read_california_housing,
    "moons": points("moons"),
    "spirals": points("spirals"),
    "blobs": points("blobs"),
    "mnist": read_mnist,
    "fashion_mnist": read_fashion_mnist,
    "cifar10": read_cifar10,
    "csv": read_csv,
    "npz": read_npz,
    "folder": read_folder,
}
_STEPS = 100  # of the quadratic per epoch with batch_size = 1, as it has no examples


def load(spec: DataSpec, seed: int, device: torch.device) -> Data:
    """Reads a dataset, splits it (stratified by class, by `seed`), scales it, and moves it to the device.

    Raises:
        TuimonError: the data cannot be loaded, do not fit the task, or are too few to split.
    """
    if spec.name == "text":
        return load_text(spec, device)
    if spec.name == "quadratic":
        return _no_data(device)
    raw = _permuted(_some_classes(READERS[spec.name](spec), spec), spec)
    if spec.name in FILES:
        check_use(raw.known, spec)
    raw, known = _as_numbers(raw, spec), used_for(raw.known, spec)
    train_indices, val_indices = _split(raw, spec, seed)
    train_indices = _subset(train_indices, spec, seed)
    raw = filled(raw, train_indices, spec.fill)
    of_targets = _target_preparation(raw, train_indices, known, spec)
    targets, movement = _targets(raw, known, of_targets), _movement(raw, train_indices, spec, seed)
    preparation = prepare(spec.scale, raw.inputs[train_indices] if movement is None else movement.some().numpy())
    train, val = (_part(raw, indices, preparation, targets).to(device) for indices in (train_indices, val_indices))
    val = replace(val, inputs=val.inputs + spec.val_offset) if spec.val_offset else val
    train = _shuffled(train, spec.shuffled_labels, seed)
    if movement is not None:
        moving = replace(movement, raw=movement.raw.to(device))
        train = replace(train, vary=moving.prepared(preparation.to(device, torch.float32)))
    names = raw.class_names if known.task == "classification" else ()
    return Data(train, val, known, names, raw.input_names, preparation.undone, of_targets)


def _no_data(device: torch.device) -> Data:
    """Placeholder data for the quadratic: one example for each step of an epoch, and one for validation."""
    train, val = (Split(torch.zeros(count, 1), torch.zeros(count, 1)).to(device) for count in (_STEPS, 1))
    return Data(train, val, Dataset(_STEPS + 1, (1,), 1, "quadratic"))


def _as_numbers(raw: Raw, spec: DataSpec) -> Raw:
    """Converts class numbers to values, for a regression on classes."""
    if spec.task != "regression" or raw.targets is None or raw.targets.ndim > 1:
        return raw
    return raw._replace(targets=raw.targets.astype(np.float32)[:, None], class_names=())


def _some_classes(raw: Raw, spec: DataSpec) -> Raw:
    """Keeps only the examples of the first `spec.classes` classes."""
    if not spec.classes or raw.targets is None or raw.targets.ndim > 1:
        return raw
    kept = np.flatnonzero(raw.targets < spec.classes)
    train = int((kept < raw.train).sum())
    return raw._replace(
        inputs=raw.inputs[kept], targets=raw.targets[kept], class_names=raw.class_names[: spec.classes], train=train
    )


def _permuted(raw: Raw, spec: DataSpec) -> Raw:
    """All examples with their inputs in one other order, which is the same for every seed."""
    if not spec.permuted:
        return raw
    flat = raw.inputs.reshape(len(raw.inputs), -1)
    order = np.random.default_rng(0).permutation(flat.shape[1])
    names = tuple(raw.input_names[place] for place in order) if raw.input_names else ()
    return raw._replace(inputs=flat[:, order].reshape(raw.inputs.shape), input_names=names)


def _split(raw: Raw, spec: DataSpec, seed: int) -> tuple[Integers, Integers]:
    """Indices of the training and validation splits, int64; the published splits if there are any."""
    everything = np.arange(len(raw.inputs))
    if raw.train:
        return everything[: raw.train], everything[raw.train :]
    from sklearn.model_selection import train_test_split

    classes = raw.targets if raw.targets is not None and raw.targets.ndim == 1 else None
    try:
        train, val = train_test_split(everything, test_size=spec.val_fraction, random_state=seed, stratify=classes)
    except ValueError as error:
        what = f"data.val_fraction = {spec.val_fraction}: cannot split {len(everything)} examples: {error}"
        raise TuimonError(what) from error
    return train, val


def _subset(train: Integers, spec: DataSpec, seed: int) -> Integers:
    """A random part of the training split, as large as the spec asks for; a smaller part lies within a larger one."""
    count = math.ceil(len(train) * spec.train_fraction)
    count = min(count, spec.train_examples or count)
    if count == len(train):
        return train
    return train[np.random.default_rng(seed).permutation(len(train))[:count]]


def _movement(raw: Raw, train: Integers, spec: DataSpec, seed: int) -> Movement | None:
    """The augmentation of the training images, on the CPU; None without augmentation."""
    return Movement(torch.from_numpy(raw.inputs[train]), spec, seed) if spec.augmented else None


def _target_preparation(raw: Raw, train: Integers, known: Dataset, spec: DataSpec) -> Preparation | None:
    """The scaling of a regression's targets, with statistics of the training split; None if they stay as they are."""
    if known.task != "regression" or spec.target_scale != "zscore" or raw.targets is None:
        return None
    return zscore(raw.targets[train].astype(np.float32))


def _targets(raw: Raw, known: Dataset, preparation: Preparation | None) -> Tensor | None:
    """The targets of all examples; None if they are the inputs."""
    if known.task == "reconstruction" or raw.targets is None:
        return None
    return torch.from_numpy(raw.targets) if preparation is None else preparation.whole(raw.targets.astype(np.float32))


def _part(raw: Raw, indices: Integers, preparation: Preparation, targets: Tensor | None) -> Split:
    inputs = preparation.whole(raw.inputs[indices])
    return Split(inputs, inputs.flatten(1) if targets is None else targets[torch.from_numpy(indices)])


def _shuffled(split: Split, share: float, seed: int) -> Split:
    """Shuffles a random share of the targets among themselves."""
    if not share:
        return split
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randperm(len(split), generator=generator)[: round(share * len(split))]
    mixed = chosen[torch.randperm(len(chosen), generator=generator)]
    chosen, mixed = chosen.to(split.targets.device), mixed.to(split.targets.device)
    targets = split.targets.clone()
    targets[chosen] = split.targets[mixed]
    return Split(split.inputs, targets)
