"""Building built-in models and the user's own from their files, and the errors about them."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec
from tuimon.spec.sections import ACTIVATIONS
from tuimon.training.model import build_model

EXAMPLE = torch.zeros(2, 1, 8, 8)

MINE = """
from torch import nn

def build(spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, spec.model.options["width"]), nn.Linear(spec.model.options["width"], 10))
"""


def mine(folder: Path, text: str, *overrides: str) -> nn.Module:
    path = folder / "mine.py"
    path.write_text(text)
    return build_model(load_spec("digits-mlp", [f"model={path}", *overrides]), EXAMPLE)


def refusal(folder: Path, text: str) -> str:
    with pytest.raises(TuimonError) as raised:
        mine(folder, text)
    return str(raised.value)


def named(model: nn.Module) -> dict[str, type[nn.Module]]:
    return {name: type(module) for name, module in model.named_children()}


@pytest.mark.parametrize(
    ("name", "activation"), [("softmax", ""), *((name, kind) for name in ("mlp", "cnn") for kind in ACTIVATIONS)]
)
def test_every_model_returns_logits_with_every_activation(name: str, activation: str):
    """They have shape [B, classes], and each parameter gets a finite gradient."""
    settings = [f"activation={activation}", "hidden=8,8"] if activation else []
    model = build_model(load_spec("digits-mlp", [f"model={name}", *settings]), EXAMPLE)
    logits = model(torch.randn(5, 1, 8, 8))
    assert logits.shape == (5, 10)
    logits.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in model.parameters())


def test_the_perceptron_has_the_layers_that_the_spec_says():
    """Named as in the layer table; dropout layers exist even at 0, so that it can be raised while training."""
    model = build_model(load_spec("digits-mlp", ["hidden=7,5", "dropout=0", "activation=tanh"]), EXAMPLE)
    assert list(named(model)) == ["flatten", "fc1", "act1", "drop1", "fc2", "act2", "drop2", "out"]
    assert [module.weight.shape for module in model if isinstance(module, nn.Linear)] == [(7, 64), (5, 7), (10, 5)]
    assert named(model)["act1"] is nn.Tanh


def test_a_perceptron_without_hidden_layers_is_softmax_regression():
    """The list of hidden layers may be empty."""
    assert list(named(build_model(load_spec("digits-mlp", ["hidden=[]"]), EXAMPLE))) == ["flatten", "out"]


def test_the_cnn_halves_the_image_every_second_convolution():
    """Down to one pixel, however deep."""
    model = build_model(load_spec("digits-cnn", ["hidden=4,4,4,4,4,4,4,4,4,4"]), EXAMPLE)
    assert [name for name in named(model) if name.startswith("pool")] == ["pool2", "pool4", "pool6"]
    assert model.out.in_features == 4


def test_a_users_own_file_is_built_the_same_way(tmp_path: Path):
    """It reads its options from the spec."""
    model = mine(tmp_path, MINE, "model.options.width=12")
    assert model[1].out_features == 12


def test_a_users_file_may_import_its_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """As in a script."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_layers_of_test.py").write_text("from torch import nn\nout = nn.Linear(64, 10)\n")
    text = "from torch import nn\nimport my_layers_of_test as l\ndef build(spec): return nn.Sequential(nn.Flatten(), l.out)"
    assert mine(tmp_path, text)[1].out_features == 10


def test_trying_a_model_does_not_change_it(tmp_path: Path):
    """Running averages stay, and so does training mode; lazy layers are initialized."""
    text = """
from torch import nn
def build(spec):
    return nn.Sequential(nn.Flatten(), nn.BatchNorm1d(64), nn.LazyLinear(10))
"""
    model = mine(tmp_path, text)
    assert model.training
    assert model[1].num_batches_tracked == 0
    assert model[2].weight.shape == (10, 64)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import nothing_like_it\n", "Cannot load {path}, line 1: ModuleNotFoundError: No module named 'nothing_like_it'"),
        ("x = 1\ndef build(spec)\n", "Cannot load {path}, line 2: SyntaxError: expected ':'"),
        ("x = 1\n\ny = x / 0\n", "Cannot load {path}, line 3: ZeroDivisionError: division by zero"),
        ("x = 1\n", "{path}: has no function build(spec) that returns the model"),
        ("build = 3\n", "{path}: has no function build(spec) that returns the model"),
        (
            "x = 1\ndef build(spec):\n    return 3\n",
            "{path}, line 2: build(spec) must return a torch.nn.Module, not an object of type int",
        ),
        ("def build(spec): pass\n", "{path}, line 1: build(spec) must return a torch.nn.Module, not None"),
        ("def build(spec):\n    return spec.model.width\n", "Cannot build the model: {path}, line 2: AttributeError: "),
        (
            "def build(): pass\n",
            "Cannot build the model: {path}: TypeError: build() takes 0 positional arguments but 1 was given",
        ),
        (
            "from torch import nn\ndef build(spec): return nn.Linear(8, 10)\n",
            "{path}: the model must return outputs of shape (2, 10) for these data, not (2, 1, 8, 10)",
        ),
        (
            "from torch import nn\nclass M(nn.Module):\n    def forward(self, x):\n        return x @ x[:, :, :3]\n"
            "def build(spec): return M()\n",
            "The model fails on inputs of shape (2, 1, 8, 8): {path}, line 4: RuntimeError: ",
        ),
    ],
)
def test_an_error_about_a_broken_file_names_file_and_line(tmp_path: Path, text: str, message: str):
    """For any error in it, without a traceback."""
    assert refusal(tmp_path, text).startswith(message.format(path=tmp_path / "mine.py"))


def test_a_file_that_exits_does_not_end_the_trainer(tmp_path: Path):
    """A script that ends with sys.exit is not a model file; the error says so."""
    assert refusal(tmp_path, "import sys\nsys.exit(3)\n").startswith(
        f"Cannot load {tmp_path / 'mine.py'}, line 2: SystemExit: 3"
    )
