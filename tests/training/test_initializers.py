"""Initial weights and biases."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from tuimon.spec.loading import load_spec
from tuimon.training.initializers import initialize
from tuimon.training.model import build_model

WIDE = "hidden=400,300"


def built(*overrides: str, preset: str = "digits-mlp") -> nn.Module:
    torch.manual_seed(0)
    spec = load_spec(preset, [WIDE, *overrides] if preset == "digits-mlp" else overrides)
    model = build_model(spec, torch.zeros(2, 1, 8, 8))
    initialize(model, spec.init, spec.model)
    return model


def weight(name: str, *overrides: str) -> Tensor:
    return built(f"init.name={name}", *overrides).fc2.weight.detach()


def test_the_default_is_torchs_own_and_draws_nothing():
    """Without an [init] section, the weights are those that torch initialized."""
    model = built()
    state = torch.get_rng_state()
    torch.manual_seed(0)
    plain = build_model(load_spec("digits-mlp", [WIDE]), torch.zeros(2, 1, 8, 8))
    assert torch.equal(model.fc1.weight, plain.fc1.weight)
    assert torch.equal(model.fc1.bias, plain.fc1.bias)
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize(
    ("name", "overrides", "deviation"),
    [
        ("normal", ["init.std=0.3"], 0.3),
        ("xavier_normal", [], math.sqrt(2 / 700)),
        ("xavier_uniform", ["init.gain=2"], 2 * math.sqrt(2 / 700)),
        ("kaiming_normal", [], math.sqrt(2 / 400)),
        ("kaiming_uniform", [], math.sqrt(2 / 400)),
        ("kaiming_normal", ["init.mode=fan_out"], math.sqrt(2 / 300)),
        ("kaiming_normal", ["activation=leaky_relu", "slope=0.5"], math.sqrt(2 / 1.25 / 400)),
        ("kaiming_normal", ["activation=tanh"], 5 / 3 / math.sqrt(400)),
        ("kaiming_uniform", ["activation=identity", "init.gain=3"], 3 / math.sqrt(400)),
    ],
)
def test_weights_have_the_standard_deviation_of_their_formula(name: str, overrides: list[str], deviation: float):
    """Over 120,000 weights, with mean zero."""
    values = weight(name, *overrides)
    assert values.std().item() == pytest.approx(deviation, rel=0.02)
    assert abs(values.mean().item()) < 0.02 * deviation


def test_orthogonal_weights_are_orthogonal():
    """Multiplied by the gain."""
    values = weight("orthogonal", "init.gain=2")
    torch.testing.assert_close(values @ values.T, 4 * torch.eye(300), atol=1e-4, rtol=0)


def test_constant_weights_make_all_units_of_a_layer_the_same():
    """They also stay the same in training."""
    model = built("init.name=constant", "init.value=0.01")
    outputs = model.act1(model.fc1(torch.rand(5, 64)))
    assert torch.equal(outputs, outputs[:, :1].expand_as(outputs))
    assert not built("init.name=constant").fc1.weight.any()


def test_biases_are_zero_except_with_the_default():
    """Or positive, in hidden layers only, so that ReLU units start alive."""
    assert not built("init.name=xavier_normal").fc1.bias.any()
    assert built().fc1.bias.any()
    assert not built("init.bias=zero").fc1.bias.any()
    positive = built("init.bias=positive", "init.bias_value=0.25")
    assert (positive.fc2.bias == 0.25).all()
    assert not positive.out.bias.any()


def test_normalization_keeps_its_defaults_and_convolutions_are_initialized():
    """Normalization starts with scale one and shift zero."""
    model = built("init.name=constant", "init.value=0.5", "model.norm=batch", preset="digits-cnn")
    assert (model.norm1.weight == 1).all()
    assert (model.conv1.weight == 0.5).all()


def test_recurrent_and_attention_weights_are_initialized():
    """Their weight matrices have other names."""
    model = nn.Sequential(nn.LSTM(4, 3), nn.MultiheadAttention(4, 2), nn.Linear(4, 4))
    spec = load_spec("digits-mlp", ["init.name=constant", "init.value=0.5"])
    initialize(model, spec.init, spec.model)
    for name, parameter in model.named_parameters():
        assert (parameter == (0.0 if "bias" in name else 0.5)).all(), name
