"""The presets that come along: complete, and listed at the cost of reading a few small files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tuimon import presets as module
from tuimon.errors import TuimonError
from tuimon.spec import DEFAULT_PRESET, load_spec, model_names, presets

NAMES = {"digits-softmax", "digits-mlp", "digits-cnn"}


def test_presets_are_listed_and_load():
    """Each has a title, a group and two lines: what to watch, what to try."""
    listed = presets()
    assert {preset.name for preset in listed} == NAMES
    assert listed[0].name == DEFAULT_PRESET
    for preset in listed:
        assert preset.title
        assert preset.group
        assert [line.partition(":")[0] for line in preset.text] == ["Watch", "Try"]
        assert load_spec(preset.name).title == preset.title
        assert load_spec(preset.path).to_dict() == load_spec(preset.name).to_dict() | {"preset": str(preset.path)}


def test_models_are_known_by_the_names_of_their_files():
    """Without running them."""
    assert model_names() == ("autoencoder", "cnn", "mlp", "quadratic", "rnn", "softmax", "transformer")


def test_listing_presets_and_loading_a_spec_imports_no_torch():
    """In a process of its own, so that no other test has imported it."""
    code = """
import sys
from tuimon.spec import load_spec, presets
assert [load_spec(p.name, ["lr=0.5"]) for p in presets()]
heavy = {"torch", "numpy", "sklearn", "textual"} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30, cwd=Path(__file__).parent.parent)


def test_the_models_of_an_installed_package_lie_inside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In a wheel there is no folder beside the package."""
    package = tmp_path / "site-packages" / "tuimon"
    (package / "models_data" / "presets").mkdir(parents=True)
    monkeypatch.setattr(module, "_PACKAGE", package)
    assert module.models_folder() == package / "models_data"


def test_a_package_without_models_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Rather than that there are no presets."""
    monkeypatch.setattr(module, "_PACKAGE", tmp_path / "tuimon")
    with pytest.raises(TuimonError, match="not completely installed"):
        module.models_folder()
