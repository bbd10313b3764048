"""Checkpoint files: complete or absent, safe to load, and refused by runs that they do not fit."""

from __future__ import annotations

import os
import random
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec
from tuimon.training.checkpoint import check_same_model, check_same_run, load, save
from tuimon.training.randomness import random_states, restore_random_states, seed_everything

CPU = torch.device("cpu")


def draws() -> list[float]:
    return [random.random(), random.gauss(0, 1), float(np.random.rand()), float(np.random.randn()), float(torch.rand(()))]


def test_a_checkpoint_is_loaded_as_it_was_saved(tmp_path: Path):
    """Tensors and plain values; nothing else is left in the folder."""
    path = tmp_path / "checkpoints" / "last.pt"
    save(path, {"step": 3, "weights": torch.arange(3), "nested": [1, {"a": (2.5, None, "x")}]})
    content = load(path)
    assert content["step"] == 3
    assert content["nested"] == [1, {"a": (2.5, None, "x")}]
    assert torch.equal(content["weights"], torch.arange(3))
    assert os.listdir(path.parent) == ["last.pt"]


def test_a_failed_write_keeps_the_previous_checkpoint(tmp_path: Path):
    """Here the operating system refuses to write, as on a full disk; no partial file is left behind."""
    path = tmp_path / "last.pt"
    save(path, {"step": 1})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            save(path, {"step": 2, "weights": torch.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert load(path)["step"] == 1
    assert os.listdir(tmp_path) == ["last.pt"]


def test_a_file_that_runs_code_is_not_loaded(tmp_path: Path):
    """A checkpoint may come from somebody else."""

    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "pwned"),)

    path = tmp_path / "last.pt"
    torch.save({"format": 1, "evil": Evil()}, path)
    with pytest.raises(TuimonError, match="not a readable checkpoint"):
        load(path)
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04 torn"])
def test_an_error_about_a_damaged_checkpoint_names_its_path(tmp_path: Path, content: bytes):
    """In one sentence, whatever error torch raises."""
    path = tmp_path / "last.pt"
    path.write_bytes(content)
    with pytest.raises(TuimonError, match=f"^Cannot resume: {path} is not a readable checkpoint: "):
        load(path)


def test_a_missing_checkpoint_and_another_format_are_errors(tmp_path: Path):
    """Each message has the path."""
    path = tmp_path / "last.pt"
    with pytest.raises(TuimonError, match=f"there is no checkpoint {path}"):
        load(path)
    torch.save({"format": 99}, path)
    with pytest.raises(TuimonError, match="has format 99; this version of tuimon reads 2"):
        load(path)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr=0.5", "Cannot resume with optimizer.lr = 0.5: the checkpoint was made with 0.0001"),
        ("batch_size=16", "Cannot resume with data.batch_size = 16: the checkpoint was made with 8"),
        ("model=cnn", "Cannot resume with model.name = 'cnn': the checkpoint was made with 'mlp'"),
        ("hidden=3", "Cannot resume with model.hidden = \\[3\\]: the checkpoint was made with \\[128, 128\\]"),
    ],
)
def test_the_spec_of_another_run_is_refused(override: str, message: str):
    """Settings that a resume would ignore, or that would change the run, are not accepted silently."""
    content = {"spec": load_spec("digits-mlp").to_dict()}
    with pytest.raises(TuimonError, match=message):
        check_same_run(content, load_spec("digits-mlp", [override]))


def test_a_resumed_run_may_be_longer_and_on_another_device():
    """It may also validate and save at other times."""
    content = {"spec": load_spec("digits-mlp").to_dict()}
    changes = ["epochs=999", "steps=5", "device=cuda", "validate_every=2", "checkpoint_every=0"]
    check_same_run(content, load_spec("digits-mlp", changes))


def test_a_users_model_may_have_moved_with_its_file(tmp_path: Path):
    """Only the file's name and the parameters must match."""
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text("")
    content = {"spec": load_spec("digits-mlp", [f"model={tmp_path}/a/mine.py"]).to_dict()}
    check_same_run(content, load_spec("digits-mlp", [f"model={tmp_path}/b/mine.py"]))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (nn.Linear(3, 2), r"weight is \[2, 4\] in the checkpoint, \[2, 3\] in the model"),
        (nn.Linear(4, 2, bias=False), "bias is not in the model"),
        (nn.Sequential(nn.Linear(4, 2)), r"0\.weight is not in the checkpoint|weight is not in the model"),
    ],
)
def test_a_changed_model_is_refused(model: nn.Module, message: str):
    """The user may have edited the file."""
    with pytest.raises(TuimonError, match=message):
        check_same_model({"model": nn.Linear(4, 2).state_dict()}, model)


def test_random_states_survive_a_checkpoint(tmp_path: Path):
    """Python's, numpy's and torch's generators continue exactly, including a cached Gaussian number."""
    seed_everything(5)
    draws()
    save(tmp_path / "a.pt", {"random": random_states(CPU)})
    expected = draws() + draws()
    seed_everything(6)
    restore_random_states(load(tmp_path / "a.pt")["random"], CPU)
    assert draws() + draws() == expected


def test_seeding_makes_all_generators_repeat():
    """One seed is enough for all."""
    seed_everything(5)
    first = draws()
    seed_everything(5)
    assert draws() == first
