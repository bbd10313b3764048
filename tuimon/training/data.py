"""The data that a spec names, read, split and scaled once, and kept whole on the device.

The splits are small enough to stay in memory, so that a batch is one `index_select` and no worker process is needed.
Statistics for scaling come from the training split alone: nothing of the validation split leaks into what is learned.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tuimon.errors import TuimonError
from tuimon.spec import DataSpec

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]


class Split(NamedTuple):
    """Examples and their classes: inputs [N, *shape] float32, targets [N] int64, on one device."""

    inputs: Tensor
    targets: Tensor

    def __len__(self) -> int:
        return self.targets.shape[0]

    def batch(self, indices: Tensor) -> Split:
        """The examples at `indices` (int64, on the same device), in that order."""
        return Split(self.inputs.index_select(0, indices), self.targets.index_select(0, indices))

    def to(self, device: torch.device) -> Split:
        """The same examples on another device."""
        return Split(self.inputs.to(device), self.targets.to(device))


class Data(NamedTuple):
    """The two splits of a dataset."""

    train: Split
    val: Split


def load(spec: DataSpec, seed: int, device: torch.device) -> Data:
    """Reads, splits (each class in the same shares, by `seed`), scales and moves a dataset.

    Raises:
        TuimonError: the data cannot be had, or are too few to split so.
    """
    inputs, targets = READERS[spec.name]()
    train, val = _split(targets, spec.val_fraction, seed)
    shift, factor = SCALES[spec.scale](inputs[train])
    whole = Split(torch.from_numpy((inputs - shift) * factor), torch.from_numpy(targets))
    return Data(whole.batch(torch.from_numpy(train)).to(device), whole.batch(torch.from_numpy(val)).to(device))


def order(examples: int, seed: int, epoch: int) -> Tensor:
    """The order of the examples in an epoch: a permutation, int64 [examples] on the CPU.

    A function of its arguments alone, so that a resumed run takes up an epoch where it was left.
    """
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(examples, generator=generator)


def read_digits() -> tuple[Floats, Integers]:
    """Scikit-learn's bundled handwritten digits: 1,797 images [1, 8, 8] with values 0 to 16, in 10 classes."""
    try:
        from sklearn.datasets import load_digits
    except ImportError as error:
        raise TuimonError("The digits need scikit-learn, which is not installed", "pip install 'tuimon[train]'") from error
    inputs, targets = load_digits(return_X_y=True)
    return inputs.astype(np.float32).reshape(-1, 1, 8, 8), targets.astype(np.int64)


def zscore(train: Floats) -> tuple[Floats, Floats]:
    """Shift and factor that give each input zero mean and unit variance over `train` [N, *shape].

    An input that never changes there gets the factor 1: it becomes 0, and what is new in validation stays small.
    """
    mean = train.mean(axis=0, dtype=np.float64)
    deviation = train.std(axis=0, dtype=np.float64)
    factor = 1 / np.where(deviation > 0, deviation, 1)
    return mean.astype(np.float32), factor.astype(np.float32)


def unscaled(train: Floats) -> tuple[Floats, Floats]:
    """Shift and factor that leave inputs as they are."""
    return np.zeros((), np.float32), np.ones((), np.float32)


READERS: dict[str, Callable[[], tuple[Floats, Integers]]] = {"digits": read_digits}
SCALES: dict[str, Callable[[Floats], tuple[Floats, Floats]]] = {"zscore": zscore, "none": unscaled}


def _split(targets: Integers, val_fraction: float, seed: int) -> tuple[Integers, Integers]:
    """Indices of the training and of the validation split, int64."""
    from sklearn.model_selection import train_test_split

    everything = np.arange(len(targets))
    try:
        train, val = train_test_split(everything, test_size=val_fraction, random_state=seed, stratify=targets)
    except ValueError as error:
        raise TuimonError(f"data.val_fraction = {val_fraction}: {len(targets)} examples cannot be split so: {error}") from error
    return train, val
