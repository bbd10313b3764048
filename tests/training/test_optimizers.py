"""Every optimizer on the quadratic w² − 10w + 25; and our own parts: Adagrad's reset, Muon with AdamW."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.optimizer import register_optimizer_step_post_hook

from tuimon.spec.loading import load_spec, parse_spec, with_overrides
from tuimon.spec.sections import OPTIMIZERS
from tuimon.training.loop import train
from tuimon.training.parts import optimizer


def trajectory(built: Optimizer, w: nn.Parameter, steps: int = 20) -> list[float]:
    found = []
    for _ in range(steps):
        built.zero_grad()
        (w**2 - 10 * w + 25).sum().backward()
        built.step()
        found.append(w.item())
    return found


def ours(*overrides: str, steps: int = 20) -> list[float]:
    w = nn.Parameter(torch.zeros(1))
    return trajectory(optimizer(load_spec("digits-mlp", overrides).optimizer, [w]), w, steps)


def theirs(build: Callable[[list[nn.Parameter]], Optimizer], steps: int = 20) -> list[float]:
    w = nn.Parameter(torch.zeros(1))
    return trajectory(build([w]), w, steps)


def test_gradient_descent_follows_its_formula():
    """From 0 with rate 0.01: 0.1 after one step, 5 − 5·0.98ⁿ after n steps, about 5 after 1,000."""
    path = ours("optimizer=sgd", "lr=0.01", steps=1000)
    assert path[0] == pytest.approx(0.1)
    assert path[:50] == pytest.approx([5 - 5 * 0.98**n for n in range(1, 51)], rel=1e-5)
    assert path[-1] == pytest.approx(5, abs=1e-3)


@pytest.mark.parametrize(
    ("overrides", "build"),
    [
        (["optimizer=gd"], lambda p: torch.optim.SGD(p, 0.1)),
        (["optimizer=sgd", "momentum=0.9"], lambda p: torch.optim.SGD(p, 0.1, 0.9)),
        (["optimizer=sgd", "momentum=0.9", "dampening=0.5"], lambda p: torch.optim.SGD(p, 0.1, 0.9, 0.5)),
        (["optimizer=sgd", "momentum=0.9", "nesterov=true"], lambda p: torch.optim.SGD(p, 0.1, 0.9, nesterov=True)),
        (["optimizer=adagrad"], lambda p: torch.optim.Adagrad(p, 0.1)),
        (["optimizer=adagrad", "lr_decay=0.1"], lambda p: torch.optim.Adagrad(p, 0.1, lr_decay=0.1)),
        (["optimizer=rmsprop", "alpha=0.9"], lambda p: torch.optim.RMSprop(p, 0.1, 0.9)),
        (["optimizer=rmsprop", "centered=true"], lambda p: torch.optim.RMSprop(p, 0.1, centered=True)),
        (["optimizer=adadelta"], lambda p: torch.optim.Adadelta(p, 0.1)),
        (["optimizer=adam"], lambda p: torch.optim.Adam(p, 0.1)),
        (["optimizer=adam", "amsgrad=true"], lambda p: torch.optim.Adam(p, 0.1, amsgrad=True)),
        (["optimizer=adamw", "weight_decay=0.1"], lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1)),
        (["optimizer=adamw"], lambda p: torch.optim.AdamW(p, 0.1)),
        (["optimizer=muon"], lambda p: torch.optim.AdamW(p, 0.1, weight_decay=0.1)),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_optimizer_is_torchs_own(overrides: list[str], build: Callable[[list[nn.Parameter]], Optimizer]):
    """It gets the spec's settings; for Muon, the parameters that are not matrices are compared."""
    assert ours(*overrides, "lr=0.1") == theirs(build)


_OWN_NAMES = {"momentum": "muon_momentum", "nesterov": "muon_nesterov", "adjust_lr_fn": "adjust_lr"}  # of Muon's settings
_CLASSES = {
    "gd": torch.optim.SGD, "sgd": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop, "adagrad": torch.optim.Adagrad, "adadelta": torch.optim.Adadelta,
    "muon": torch.optim.Muon,
}  # fmt: skip


def torchs_own(name: str) -> dict[str, object]:
    """The defaults of torch's class, by our names; those that a spec cannot set are left out."""
    own = inspect.signature(_CLASSES[name]).parameters.values()
    names = {p.name: _OWN_NAMES.get(p.name, p.name) if name == "muon" else p.name for p in own}
    settings = {"lr", "weight_decay", *OPTIMIZERS[name]} - ({"eps"} if name == "muon" else set())  # that eps is adamw's
    return {names[p.name]: p.default for p in own if names[p.name] in settings}


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_an_optimizers_defaults_are_torchs_own(name: str):
    """A spec that only names its optimizer gets what torch.optim gives; an override leaves the learning rate as it was."""
    expected = torchs_own(name)
    assert {"lr", "weight_decay"} <= set(expected)
    expected |= {"adjust_lr": "original"} if name == "muon" else {}  # torch writes None for it
    named = parse_spec({"optimizer": {"name": name}}).optimizer
    assert {setting: getattr(named, setting) for setting in expected} == expected
    switched = load_spec("digits-mlp", [f"optimizer={name}"]).optimizer
    assert switched == msgspec.structs.replace(named, lr=1e-4)


def test_a_given_setting_stays_with_another_optimizer():
    """Only what was at the former optimizer's default follows."""
    given = load_spec("digits-mlp", ["optimizer.eps=1e-3", "optimizer=adadelta"]).optimizer
    assert given.eps == 1e-3
    later = with_overrides(load_spec("digits-mlp", ["optimizer.eps=1e-3"]), ["optimizer=adadelta"]).optimizer
    assert later.eps == 1e-3
    assert load_spec("digits-mlp", ["optimizer=adamw", "weight_decay=0"]).optimizer.weight_decay == 0


def test_adamw_alone_is_not_adam():
    """It decays the weights by torch's own 0.01."""
    plain, decayed = (load_spec("digits-mlp", [f"optimizer={name}"]) for name in ("adam", "adamw"))
    assert (plain.optimizer.weight_decay, decayed.optimizer.weight_decay) == (0, 0.01)


def test_adagrad_resets_its_sum_of_squares():
    """With rate 1, the first step has length 1, and so has the first step after each reset."""
    path = ours("optimizer=adagrad", "lr=1", "reset_every=3", steps=4)
    sums = 10.0**2 + 8.0**2
    assert path[:2] == pytest.approx([1, 1 + 8 / sums**0.5])
    assert path[3] - path[2] == pytest.approx(1)
    assert ours("optimizer=adagrad", "lr=1", steps=4)[3] < path[3]


def test_adagrads_reset_survives_a_checkpoint():
    """It depends on the step count in the optimizer's state."""
    spec = load_spec("digits-mlp", ["optimizer=adagrad", "lr=1", "reset_every=3"]).optimizer
    w = nn.Parameter(torch.zeros(1))
    first = optimizer(spec, [w])
    trajectory(first, w, 2)
    again = optimizer(spec, [w])
    again.load_state_dict(first.state_dict())
    assert trajectory(again, w, 5) == ours("optimizer=adagrad", "lr=1", "reset_every=3", steps=7)[2:]


def layers(optimizer_name: str = "muon") -> tuple[nn.Module, Optimizer]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 12), nn.LayerNorm(12), nn.Linear(12, 3))
    spec = load_spec("digits-mlp", [f"optimizer={optimizer_name}", "lr=0.02"]).optimizer
    return model, optimizer(spec, model.parameters())


def step(model: nn.Module, built: Optimizer) -> None:
    built.zero_grad()
    model(torch.linspace(-1, 1, 24).reshape(4, 1, 6)).square().sum().backward()
    built.step()


def weights(model: nn.Module) -> Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])


def test_muon_updates_a_matrix_almost_orthogonally():
    """All singular values of the update are similar: the iteration brings them between 0.7 and 1.2."""
    torch.manual_seed(0)
    weight = nn.Parameter(torch.zeros(6, 16))
    weight.grad = torch.randn(6, 16) * torch.tensor([9.0, 1, 1, 1, 1, 3])[:, None]
    optimizer(load_spec("digits-mlp", ["optimizer=muon", "lr=0.02", "adjust_lr=match_rms_adamw"]).optimizer, [weight]).step()
    scale = 0.02 * 0.2 * 16**0.5  # lr, and what makes its mean square that of AdamW: 0.2·√(larger side)
    sizes = torch.linalg.svdvals(weight.detach()) / scale
    assert torch.linalg.svdvals(weight.grad).max() > 5 * torch.linalg.svdvals(weight.grad).min()
    assert ((sizes > 0.6) & (sizes < 1.3)).all()


def test_muon_and_adamw_are_one_optimizer_with_one_set_of_hooks():
    """Matrices are in the first group, the rest in the second; a step counts once, even for global hooks."""
    model, built = layers()
    assert [parameter.ndim for parameter in built.param_groups[0]["params"]] == [2, 2]
    assert all(parameter.ndim != 2 for parameter in built.param_groups[1]["params"])
    seen: list[str] = []
    own = built.register_step_post_hook(lambda *_: seen.append("own"))
    every = register_optimizer_step_post_hook(lambda *_: seen.append("global"))
    step(model, built)
    own.remove()
    every.remove()
    assert seen == ["own", "global"]


def test_muon_continues_exactly_from_its_state():
    """Loading a state replaces the groups."""
    model, built = layers()
    step(model, built)
    other, again = layers()
    other.load_state_dict(model.state_dict())
    again.load_state_dict(copy.deepcopy(built.state_dict()))  # torch would share the tensors
    for _ in range(2):
        step(model, built)
        step(other, again)
    assert torch.equal(weights(model), weights(other))


def test_the_rest_of_muons_parameters_can_have_their_own_rate():
    """Zero means the same rate."""
    model, _ = layers()
    spec = load_spec("digits-mlp", ["optimizer=muon", "lr=0.02", "rest_lr=0.003"]).optimizer
    assert [group["lr"] for group in optimizer(spec, model.parameters()).param_groups] == [0.02, 0.003]


def test_gradient_descent_takes_the_whole_training_split_as_one_batch(tmp_path: Path):
    """Whatever the batch size of the preset is."""
    trainer = train(load_spec("digits-mlp", ["optimizer=gd", "hidden=8", "epochs=2", "device=cpu"]), tmp_path)
    assert (trainer.steps_per_epoch, trainer.step) == (1, 2)


@pytest.mark.parametrize("name", sorted(OPTIMIZERS))
def test_every_optimizer_trains_watched(tmp_path: Path, name: str):
    """In the trainer, with its hooks and levers."""
    overrides = [f"optimizer={name}", "lr=0.02", "hidden=8", "steps=3", "device=cpu"]
    assert train(load_spec("digits-mlp", overrides), tmp_path).monitor.step == 3
