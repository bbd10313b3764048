"""Scaling of inputs: each method against scikit-learn or a hand-computed value."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from tuimon.spec.loading import load_spec
from tuimon.training.data import load, scaling
from tuimon.training.data.scaling import PREPARATIONS, prepare

RANDOM = np.random.default_rng(0)
TRAIN = (RANDOM.normal(size=(500, 6)) @ RANDOM.normal(size=(6, 6)) * 3 + 5).astype(np.float32)
CPU = torch.device("cpu")
OTHER = RANDOM.normal(size=(50, 6)).astype(np.float32)


def prepared(name: str, inputs: np.ndarray) -> np.ndarray:
    return prepare(name, TRAIN).whole(inputs).numpy()


@pytest.mark.parametrize(("name", "theirs"), [("zscore", StandardScaler()), ("minmax", MinMaxScaler())])
@pytest.mark.parametrize("inputs", [TRAIN, OTHER], ids=["train", "other"])
def test_scaling_equals_scikit_learns(name: str, theirs: StandardScaler | MinMaxScaler, inputs: np.ndarray):
    """Fitted to the training split, applied to any data."""
    theirs.fit(TRAIN.astype(np.float64))
    np.testing.assert_allclose(prepared(name, inputs), theirs.transform(inputs.astype(np.float64)), atol=1e-5)


def test_centering_only_subtracts_the_mean():
    """The variance does not change."""
    np.testing.assert_allclose(prepared("center", TRAIN).mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(prepared("center", TRAIN).std(0), TRAIN.std(0), rtol=1e-5)


def test_decimal_scaling_moves_the_decimal_point():
    """By the smallest power of ten that brings all values below 1, for each column separately."""
    train = np.array([[-986, 0.0431, 10, 0], [917, -0.02, 3, 0]], np.float32)
    expected = [[-0.986, 0.431, 0.1, 0], [0.917, -0.2, 0.03, 0]]
    np.testing.assert_allclose(prepare("decimal", train).whole(train).numpy(), expected, rtol=1e-6)


def test_whitened_inputs_have_the_identity_as_covariance():
    """Zero mean, unit variance, no correlation."""
    white = prepared("whiten", TRAIN).astype(np.float64)
    np.testing.assert_allclose(white.mean(0), 0, atol=1e-6)
    np.testing.assert_allclose(white.T @ white / len(white), np.eye(6), atol=1e-5)


@pytest.mark.parametrize("inputs", [TRAIN, OTHER], ids=["train", "other"])
def test_whitening_equals_scikit_learns_up_to_signs(inputs: np.ndarray):
    """scikit-learn divides variances by N - 1."""
    theirs = PCA(whiten=True, svd_solver="full").fit(TRAIN.astype(np.float64)).transform(inputs.astype(np.float64))
    theirs *= np.sqrt(len(TRAIN) / (len(TRAIN) - 1))
    np.testing.assert_allclose(np.abs(prepared("whiten", inputs)), np.abs(theirs), rtol=1e-4, atol=1e-4)


def test_directions_without_variance_become_zero():
    """Three pixels of the digits are always empty: rounding noise must not be scaled up to unit variance."""
    spec = load_spec("digits-mlp", ["scale=whiten"])
    inputs = load(spec.data, 0, torch.device("cpu")).train.inputs.flatten(1).double()
    covariance = inputs.T @ inputs / len(inputs)
    rank = int(covariance.diagonal().round().sum())
    assert 58 <= rank < 64
    torch.testing.assert_close(covariance[:rank, :rank], torch.eye(rank, dtype=torch.float64), atol=1e-4, rtol=0)
    assert not inputs[:, rank:].any()


@pytest.mark.parametrize("name", PREPARATIONS)
def test_constant_inputs_stay_finite(name: str):
    """Even with a single example, where nothing varies."""
    for train in (np.full((4, 1, 2, 2), 3, np.float32), np.full((1, 3), 3, np.float32), np.zeros((2, 2), np.float32)):
        result = prepare(name, train).whole(train)
        assert result.shape == train.shape
        assert bool(result.isfinite().all())


@pytest.mark.parametrize("name", PREPARATIONS)
def test_large_data_are_scaled_in_pieces(name: str, monkeypatch: pytest.MonkeyPatch):
    """The result is the same, up to rounding."""
    whole = prepared(name, OTHER)
    monkeypatch.setattr(scaling, "_AT_ONCE", 7)
    np.testing.assert_allclose(prepared(name, OTHER), whole, rtol=1e-4, atol=1e-5)


def test_permuted_inputs_are_the_same_values_in_another_order():
    """One order for all examples, both splits and every seed."""
    plain, mixed = (load(load_spec("digits-mlp", [f"data.permuted={on}"]).data, 0, CPU) for on in ("false", "true"))
    before, after = plain.train.inputs.flatten(1), mixed.train.inputs.flatten(1)
    assert mixed.train.inputs.shape == plain.train.inputs.shape and not torch.equal(before, after)
    assert torch.equal(before.sort(1).values, after.sort(1).values)
    moved = [int((after == before[:, [place]]).all(0).nonzero()[0]) for place in range(64) if before[:, place].std() > 0]
    assert len(set(moved)) == len(moved)
    again = load(load_spec("digits-mlp", ["data.permuted=true"]).data, 1, CPU)
    assert again.input_names == mixed.input_names != plain.input_names
    assert sorted(mixed.input_names) == sorted(plain.input_names)


def test_an_offset_moves_the_validation_inputs_only():
    """After scaling, so in units of the training split's standard deviation."""
    plain, moved = (load(load_spec("digits-mlp", [f"data.val_offset={by}"]).data, 0, CPU) for by in ("0", "1.5"))
    assert torch.equal(plain.train.inputs, moved.train.inputs)
    torch.testing.assert_close(moved.val.inputs, plain.val.inputs + 1.5)
    assert torch.equal(plain.val.targets, moved.val.targets)
