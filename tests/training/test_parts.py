"""Every name that a spec allows builds the right part."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tuimon.spec.loading import load_spec
from tuimon.spec.sections import ACTIVATIONS, OPTIMIZERS
from tuimon.training.parts import activation, activations, optimizer, optimizers

FORMULAS = {
    "relu": lambda x: x.clamp(min=0),
    "leaky_relu": lambda x: torch.where(x > 0, x, 0.01 * x),
    "prelu": lambda x: torch.where(x > 0, x, 0.25 * x),
    "elu": lambda x: torch.where(x > 0, x, x.exp() - 1),
    "gelu": lambda x: x * (1 + torch.erf(x / 2**0.5)) / 2,
    "silu": lambda x: x / (1 + (-x).exp()),
    "tanh": lambda x: (x.exp() - (-x).exp()) / (x.exp() + (-x).exp()),
    "sigmoid": lambda x: 1 / (1 + (-x).exp()),
    "identity": lambda x: x,
}
MUON = {"muon_momentum": "momentum", "muon_nesterov": "nesterov", "adjust_lr": "adjust_lr_fn"}  # as torch calls them


def test_the_names_in_specs_and_the_parts_are_the_same():
    """Specs offer exactly the parts that exist."""
    assert set(ACTIVATIONS) == set(activations.BUILDERS) == set(FORMULAS)
    assert set(OPTIMIZERS) == set(optimizers.BUILDERS)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_computes_its_formula(name: str):
    """Each name has its usual meaning."""
    inputs = torch.linspace(-3, 3, 25)
    torch.testing.assert_close(activation(name)(inputs).detach(), FORMULAS[name](inputs))


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_an_optimizer_gets_its_settings_and_learns(name: str):
    """All settings of the spec are in the optimizer's groups."""
    spec = load_spec("digits-mlp", [f"optimizer={name}", "lr=0.05", "weight_decay=0.001"]).optimizer
    model = nn.Linear(2, 1)
    built = optimizer(spec, model.parameters())
    assert all({"lr": 0.05, "weight_decay": 0.001}.items() <= group.items() for group in built.param_groups)
    for setting in set(OPTIMIZERS[name]) - {"rest_lr"}:
        key = MUON.get(setting, setting)
        assert getattr(spec, setting) in [group[key] for group in built.param_groups if key in group], setting
    before = model.weight.detach().clone()
    model(torch.ones(1, 2)).sum().backward()
    built.step()
    assert not torch.equal(model.weight, before)


def test_frozen_parameters_are_not_given_to_the_optimizer():
    """A user's model may freeze layers."""
    model = nn.Linear(2, 1)
    model.bias.requires_grad_(False)
    built = optimizer(load_spec("digits-mlp").optimizer, model.parameters())
    assert built.param_groups[0]["params"] == [model.weight]


def test_a_model_with_nothing_to_train_is_refused():
    """Instead of torch's error about empty lists."""
    from tuimon.base.errors import TuimonError

    with pytest.raises(TuimonError, match="no parameter of the model requires a gradient"):
        optimizer(load_spec("digits-mlp").optimizer, [])
