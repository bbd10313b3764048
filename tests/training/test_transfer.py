"""Transfer from another run: what is copied, what is frozen, and the errors if it does not fit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tuimon.base.errors import TuimonError
from tuimon.spec.data import TransferSpec
from tuimon.spec.loading import load_spec
from tuimon.training.loop import Trainer, train
from tuimon.training.transfer import transfer

QUICK = ("device=cpu", "epochs=1", "hidden=16,8", "batch_size=128")


def trained(folder: Path, *overrides: str) -> Trainer:
    return train(load_spec("digits-mlp", [*QUICK, *overrides]), folder)


def small(width: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.Linear(3, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 2))


def saved(folder: Path, model: nn.Module) -> Path:
    path = folder / "weights.pt"
    torch.save(model.state_dict(), path)
    return path


def copied(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def refusal(model: nn.Module, **settings: object) -> str:
    with pytest.raises(TuimonError) as raised:
        transfer(TransferSpec(**settings), model)  # type: ignore[arg-type]
    return str(raised.value)


def test_an_encoder_becomes_the_first_layers_of_a_classifier(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """It is trained without labels first; frozen, it does not change while the rest learns."""
    encoder = trained(tmp_path / "auto", "model=autoencoder", "task=reconstruction").model.state_dict()
    classifier = trained(tmp_path / "mlp", f"transfer.source={tmp_path / 'auto'}", "transfer.frozen=true")
    after = classifier.model.state_dict()
    for name in ("fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"):
        assert torch.equal(encoder[name], after[name])
    assert classifier.model.out.weight.requires_grad
    assert len(classifier.optimizer.param_groups[0]["params"]) == 2
    assert f"copied from {tmp_path}/auto/checkpoints/best.pt: fc1, fc2 (frozen)\n" in capfd.readouterr().out


def test_layers_that_are_not_frozen_continue_to_train(tmp_path: Path):
    """All layers of a run, or only the named ones."""
    source = trained(tmp_path / "one").model.state_dict()
    assert len(transfer(TransferSpec(str(tmp_path / "one")), trained(tmp_path / "two").model)) == len(source)
    moved = trained(tmp_path / "three", f"transfer.source={tmp_path / 'one'}", "transfer.layers=fc1", "steps=1", "lr=1e-9")
    fresh = trained(tmp_path / "four", "steps=1", "lr=1e-9")
    torch.testing.assert_close(moved.model.state_dict()["fc1.weight"], source["fc1.weight"])
    torch.testing.assert_close(moved.model.state_dict()["fc2.weight"], fresh.model.state_dict()["fc2.weight"])
    assert moved.model.fc1.weight.requires_grad


def test_frozen_layers_resume_frozen(tmp_path: Path):
    """The run ends like an uninterrupted one."""
    trained(tmp_path / "one")
    options = (f"transfer.source={tmp_path / 'one'}", "transfer.layers=fc1", "transfer.frozen=true")
    whole = trained(tmp_path / "whole", *options, "steps=20")
    trained(tmp_path / "parts", *options, "steps=14")
    resumed = train(load_spec("digits-mlp", [*QUICK, *options, "steps=20"]), tmp_path / "parts", resume=True)
    assert all(torch.equal(value, resumed.model.state_dict()[name]) for name, value in whole.model.state_dict().items())


def test_running_averages_of_a_frozen_layer_stay(tmp_path: Path):
    """They are not parameters, but every batch would change them."""
    path, model = saved(tmp_path, small()), small()
    transfer(TransferSpec(str(path), ("0", "1"), frozen=True), model)
    before = copied(model)
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model(torch.randn(8, 3)).square().sum().backward()
    optimizer.step()
    after = model.state_dict()
    for name in ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var"):
        assert torch.equal(before[name], after[name]), name
    assert not torch.equal(before["3.weight"], after["3.weight"])


def test_a_run_is_found_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In the folder of runs. The best checkpoint wins over the last, and a path over a name."""
    trained(tmp_path / "first", "epochs=1")
    monkeypatch.setenv("TUIMON_RUNS", str(tmp_path))
    model = trained(tmp_path / "second").model
    assert len(transfer(TransferSpec("first"), model)) == 6
    (tmp_path / "first" / "checkpoints" / "best.pt").unlink()
    assert len(transfer(TransferSpec("first"), model)) == 6
    assert load_spec("digits-mlp", ["transfer.source=first"]).transfer.source == "first"
    monkeypatch.chdir(tmp_path)
    assert load_spec("digits-mlp", ["transfer.source=./first"]).transfer.source == str(tmp_path / "first")


def test_without_names_all_layers_that_fit_are_copied(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """Layers with another shape are reported."""
    source = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 5))
    path, model = saved(tmp_path, source), small()
    names = transfer(TransferSpec(str(path)), model)
    assert names == [name for name in model.state_dict() if not name.startswith("3.")]
    assert torch.equal(model[0].weight, source[0].weight)
    assert capfd.readouterr().out == f"copied from {path}: 0, 1; not copied, because shapes differ: 3\n"


@pytest.mark.parametrize(
    ("width", "layers", "message"),
    [
        (4, ("fc9",), "transfer.layers: the model has no layer fc9; it has 0, 1, 3"),
        (5, ("0",), "transfer.layers: 0.weight is [5, 3] in {path}, [4, 3] in the model"),
    ],
)
def test_a_named_layer_that_does_not_fit_is_refused(tmp_path: Path, width: int, layers: tuple[str, ...], message: str):
    """The message has both shapes; the model does not change."""
    path, model = saved(tmp_path, small(width)), small()
    before = copied(model)
    assert refusal(model, source=str(path), layers=layers).startswith(message.format(path=path))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_layer_that_the_source_lacks_is_an_error(tmp_path: Path):
    """The message lists the layers of the source."""
    path = saved(tmp_path, nn.Sequential(nn.Linear(3, 4)))
    assert refusal(small(), source=str(path), layers=("3",)).startswith(f"transfer.layers: {path} has no 3.weight; it has 0")


def test_a_source_without_any_fitting_layer_is_refused(tmp_path: Path):
    """Instead of training from scratch silently."""
    path = saved(tmp_path, nn.Sequential(nn.Linear(7, 7)))
    assert refusal(small(), source=str(path)).startswith(f"transfer.source: no layer of {path} fits the model; it has 0")


def test_a_missing_source_or_one_without_weights_is_an_error(tmp_path: Path):
    """A folder without a checkpoint, a missing, a damaged and an unrelated file, and one that would run code."""
    assert f"transfer.source = '{tmp_path}': {tmp_path} has no checkpoint" in refusal(small(), source=str(tmp_path))
    assert "there is no run or file /gone/x.pt" in refusal(small(), source="/gone/x.pt")
    path = tmp_path / "x.pt"
    path.write_bytes(b"nothing")
    assert f"{path} is not a readable checkpoint: " in refusal(small(), source=str(path))
    torch.save([1, 2], path)
    assert f"{path} contains no state dict of a model" in refusal(small(), source=str(path))
    torch.save(small(), path)  # a pickled module: loading it would run its code
    assert f"{path} is not a readable checkpoint: " in refusal(small(), source=str(path))


def test_without_a_source_nothing_happens():
    """The section may be empty."""
    model = small()
    before = copied(model)
    assert transfer(TransferSpec(frozen=True), model) == []
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(parameter.requires_grad for parameter in model.parameters())
