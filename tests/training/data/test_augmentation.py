"""Augmentation: what it does to images, and that it depends on the seed and the step only."""

from __future__ import annotations

import math

import pytest
import torch

from tuimon.spec.loading import load_spec
from tuimon.training.data import Data, load
from tuimon.training.data.augment import moved

SOME = torch.arange(40)


def digits(*overrides: str, seed: int = 0) -> Data:
    return load(load_spec("digits-mlp", overrides).data, seed, torch.device("cpu"))


def test_images_are_shifted_by_whole_pixels():
    """Right and down; the edge repeats."""
    image = torch.arange(20.0).view(1, 1, 4, 5)
    right = moved(image, torch.tensor([[2.0, 0.0]]), torch.zeros(1))
    torch.testing.assert_close(right[..., 2:], image[..., :3], atol=1e-4, rtol=0)
    torch.testing.assert_close(right[..., :2], image[..., :1].expand(1, 1, 4, 2), atol=1e-4, rtol=0)
    up = moved(image, torch.tensor([[0.0, -1.0]]), torch.zeros(1))
    torch.testing.assert_close(up[..., :3, :], image[..., 1:, :], atol=1e-4, rtol=0)


def test_images_are_rotated_about_their_center():
    """A quarter turn equals torch.rot90; rotation comes before shifting."""
    image = torch.arange(16.0).view(1, 1, 4, 4)
    quarter = torch.tensor([math.pi / 2])
    turned = torch.rot90(image, 1, (2, 3))
    torch.testing.assert_close(moved(image, torch.zeros(1, 2), quarter), turned, atol=1e-4, rtol=0)
    both = moved(image, torch.tensor([[1.0, 0.0]]), quarter)
    torch.testing.assert_close(both[..., 1:], turned[..., :3], atol=1e-4, rtol=0)


def test_a_rotation_keeps_proportions_in_a_rectangular_image():
    """A pixel three above the center ends three to its left."""
    image = torch.zeros(1, 1, 9, 15)
    image[0, 0, 1, 7] = 1
    turned = moved(image, torch.zeros(1, 2), torch.tensor([math.pi / 2]))
    assert float(turned[0, 0, 4, 4]) == pytest.approx(1, abs=1e-4)


def test_each_step_draws_differently_but_reproducibly():
    """It depends on seed and step only, and neither reads nor changes the global random state."""
    data = digits("shift=1", "rotation=10")
    state = torch.get_rng_state()
    first = data.train.batch(SOME, step=5).inputs
    assert torch.equal(state, torch.get_rng_state())
    torch.manual_seed(123)
    assert torch.equal(first, data.train.batch(SOME, step=5).inputs)
    assert not torch.equal(first, data.train.batch(SOME, step=6).inputs)
    assert not torch.equal(first, digits("shift=1", "rotation=10", seed=1).train.batch(SOME, step=5).inputs)


def test_only_training_batches_are_augmented():
    """Evaluation of the training split and the validation split use unchanged examples."""
    plain, varied = digits("scale=none"), digits("shift=2", "scale=none")
    assert torch.equal(plain.train.batch(SOME).inputs, varied.train.batch(SOME).inputs)
    assert torch.equal(plain.val.batch(SOME, step=1).inputs, varied.val.batch(SOME, step=1).inputs)
    assert torch.equal(plain.train.batch(SOME).targets, varied.train.batch(SOME, step=1).targets)
    assert not torch.equal(plain.train.batch(SOME).inputs, varied.train.batch(SOME, step=1).inputs)


def test_images_are_moved_before_they_are_scaled():
    """Scaling is an affine map: the map of the plain images also fits the moved ones."""
    raw, centered = digits("shift=2", "rotation=10", "scale=none"), digits("shift=2", "rotation=10", "scale=minmax")
    everything = torch.arange(len(raw.train))
    ones = torch.ones(len(raw.train), 1, dtype=torch.float64)
    for pixel in (9, 20, 36):  # pixels that vary
        before = torch.cat([raw.train.batch(everything).inputs.flatten(1)[:, pixel : pixel + 1].double(), ones], 1)
        after = centered.train.batch(everything).inputs.flatten(1)[:, pixel].double()
        affine = torch.linalg.lstsq(before, after).solution
        moved_before = raw.train.batch(everything, step=3).inputs.flatten(1)[:, pixel].double()
        moved_after = centered.train.batch(everything, step=3).inputs.flatten(1)[:, pixel].double()
        torch.testing.assert_close(moved_after, moved_before * affine[0] + affine[1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("scale", ["zscore", "whiten"])
def test_statistics_come_from_moved_images(scale: str):
    """Otherwise a pixel that is almost always empty gets values of hundreds of standard deviations."""
    data = digits("shift=1", "rotation=10", f"scale={scale}")
    batches = torch.cat([data.train.batch(torch.arange(len(data.train)), step).inputs for step in range(4)])
    assert float(batches.mean().abs()) < 0.01
    assert float(batches.var()) == pytest.approx(1, abs=0.1)
    assert float(batches.abs().max()) < 60
