"""The digits: reading, splitting, scaling, and the order of an epoch."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DATASETS
from tuimon.spec.loading import load_spec
from tuimon.training.data import Data, load, order

CPU = torch.device("cpu")


def digits(*overrides: str, seed: int = 0) -> Data:
    return load(load_spec("digits-mlp", overrides).data, seed, CPU)


def test_the_digits_are_as_the_spec_describes_them():
    """A screen shows their number and shape without reading them."""
    data, known = digits(), DATASETS["digits"]
    assert len(data.train) + len(data.val) == known.examples
    assert data.train.inputs.shape[1:] == known.input_shape
    assert int(data.train.targets.max()) + 1 == known.outputs
    assert data.train.inputs.dtype == torch.float32
    assert data.train.targets.dtype == torch.int64


def test_classes_are_split_in_equal_proportions():
    """The split is stratified."""
    data = digits("val_fraction=0.25")
    shares = data.val.targets.bincount() / (data.val.targets.bincount() + data.train.targets.bincount())
    assert torch.all((shares - 0.25).abs() < 0.01)


def test_the_split_is_a_function_of_the_seed():
    """The same seed gives the same examples, another seed gives others."""
    assert torch.equal(digits(seed=1).val.inputs, digits(seed=1).val.inputs)
    assert not torch.equal(digits(seed=1).val.targets, digits(seed=2).val.targets)


def test_z_scores_come_from_the_training_split_alone():
    """Zero mean and unit variance there, only approximately in validation; constant inputs become zero."""
    data = digits()
    mean, variance = data.train.inputs.mean(0), data.train.inputs.var(0, correction=0)
    torch.testing.assert_close(mean, torch.zeros_like(mean), atol=1e-5, rtol=0)
    moving = variance > 0
    torch.testing.assert_close(variance[moving], torch.ones(int(moving.sum())), atol=1e-4, rtol=0)
    assert 0 < int((~moving).sum()) < 10
    assert not torch.allclose(data.val.inputs.mean(0), torch.zeros_like(mean), atol=1e-3)


def test_unscaled_inputs_are_as_they_were_bundled():
    """Grey values from 0 to 16."""
    data = digits("scale=none")
    assert (float(data.train.inputs.min()), float(data.train.inputs.max())) == (0, 16)


def test_a_share_too_small_for_all_classes_is_refused():
    """The message has the key and the value."""
    with pytest.raises(TuimonError, match=r"data.val_fraction = 0.001: cannot split 1797 examples"):
        digits("val_fraction=0.001")


def test_the_order_of_an_epoch_is_a_function_of_seed_and_epoch():
    """So a resumed run continues an epoch where it stopped; the global random state does not matter."""
    torch.manual_seed(1)
    first = order(100, seed=3, epoch=5)
    torch.manual_seed(2)
    assert torch.equal(first, order(100, seed=3, epoch=5))
    assert not torch.equal(first, order(100, seed=3, epoch=6))
    assert not torch.equal(first, order(100, seed=4, epoch=5))
    assert torch.equal(first.sort().values, torch.arange(100))


def test_scikit_learn_is_imported_only_to_read():
    """Importing the trainer does not wait for it."""
    code = "import sys, tuimon.training.data; assert 'sklearn' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
