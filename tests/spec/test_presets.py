"""The built-in presets: each is complete and can train, and listing them only reads a few small files.

Whether each one shows what its text says is judged by benchmarks/bench_presets.py, which trains them all to the end.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import msgspec
import pytest
import torch

from tuimon.base.errors import TuimonError
from tuimon.spec import presets as module
from tuimon.spec.data import TransferSpec
from tuimon.spec.loading import load_spec, overrides_for, parse_spec
from tuimon.spec.presets import DEFAULT_PRESET, PresetInfo, model_names, presets
from tuimon.spec.spec import Spec
from tuimon.training.data import load
from tuimon.training.loop import Trainer
from tuimon.training.model import build_model
from tuimon.training.signals import StopSignals

GROUPS = {
    "start here", "activations", "dying ReLU", "vanishing and exploding gradients", "optimizers", "normalization",
    "regularization", "batch size", "learning rate", "sequence and text", "autoencoder", "your own data", "locality",
    "the plane",
}  # fmt: skip
LONGEST_LINE = 132  # characters, so that it fits beside the list or on two rows of a narrow screen
PRESETS = presets()
each_preset = pytest.mark.parametrize("preset", PRESETS, ids=lambda preset: preset.name)


def test_the_default_preset_is_listed_first_and_no_group_is_empty():
    """The list starts with the preset for newcomers."""
    assert PRESETS[0].name == DEFAULT_PRESET
    assert {preset.group for preset in PRESETS} == GROUPS
    assert len(PRESETS) >= 30


@each_preset
def test_a_preset_says_what_to_watch_and_what_to_try(preset: PresetInfo):
    """One line each."""
    assert preset.title
    assert [line.partition(": ")[0] for line in preset.text] == ["Watch", "Try"]
    assert max(map(len, (preset.title, *preset.text))) <= LONGEST_LINE


@each_preset
def test_a_preset_is_a_spec_like_any_other(preset: PresetInfo):
    """Loading it by name or by path, or saving and parsing it, gives the same spec, without any override."""
    spec = load_spec(preset.name)
    assert spec.title == preset.title
    assert load_spec(preset.path).to_dict() == spec.to_dict() | {"preset": str(preset.path)}
    assert parse_spec(tomllib.loads(spec.to_toml())) == spec
    assert overrides_for(spec) == []


@each_preset
def test_a_preset_trains(preset: PresetInfo, tmp_path: Path):
    """One real step of it. The user's own table is supplied here; layers of another run are left out."""
    trainer = Trainer(small(preset.name, tmp_path), tmp_path / "run", resume=False, signals=StopSignals())
    before = [parameter.detach().clone() for parameter in trainer.model.parameters()]
    batch = next(trainer._rest_of_epoch())
    with trainer.monitor:
        trainer._train_on(batch)
    assert trainer.step == 1
    pairs = zip(before, trainer.model.parameters(), strict=True)
    assert any(not torch.equal(old, new.detach()) for old, new in pairs)


def test_layers_that_a_preset_copies_from_another_run_fit():
    """The named layers exist in both models with equal shapes, and the run is named after the preset that trains it."""
    later = [spec for spec in map(load_spec, (preset.name for preset in PRESETS)) if spec.transfer.source]
    assert later
    for spec in later:
        assert f"--name {spec.transfer.source}" in spec.text[0]
        there, here = (shapes(each) for each in (load_spec(spec.transfer.source), spec))
        for layer in spec.transfer.layers:
            assert there[f"{layer}.weight"] == here[f"{layer}.weight"]


def small(name: str, folder: Path) -> Spec:
    """The preset on a CPU, with a small table for its data, and without transfer."""
    table = folder / "own.csv"
    table.write_text("width,length,kind\n" + "1.5,2,round\n2.5,1,long\n" * 20, encoding="utf-8")
    own = [f"data.path={table}"] if load_spec(name).data.name == "csv" else []
    return msgspec.structs.replace(load_spec(name, ["device=cpu", *own]), transfer=TransferSpec())


def shapes(spec: Spec) -> dict[str, tuple[int, ...]]:
    """The shapes in the state dict of a spec's model."""
    data = load(spec.data, 0, torch.device("cpu"))
    return {name: tuple(value.shape) for name, value in build_model(data.resolve(spec), data.example).state_dict().items()}


def test_models_are_listed_by_file_name():
    """Without running the files."""
    assert model_names() == ("autoencoder", "bowl", "cnn", "mlp", "quadratic", "rnn", "softmax", "transformer")


def test_listing_presets_and_loading_a_spec_imports_no_torch():
    """Tested in a separate process, where no other test has imported it."""
    code = """
import sys
from tuimon.spec import loading, presets
assert [loading.load_spec(p.name, ["lr=0.5"]) for p in presets.presets()]
heavy = {"torch", "numpy", "sklearn", "textual"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=100, cwd=Path(__file__).parents[2])


def test_the_models_of_an_installed_package_lie_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A wheel has no folder next to the package."""
    package = tmp_path / "site-packages" / "tuimon"
    (package / "models_data" / "presets").mkdir(parents=True)
    monkeypatch.setattr(module, "_PACKAGE", package)
    assert module.models_folder() == package / "models_data"


def test_a_package_without_models_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Instead of listing no presets."""
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "tuimon")
    with pytest.raises(TuimonError, match="installation is incomplete"):
        module.models_folder()
