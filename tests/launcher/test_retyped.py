"""The command that starts a run like this one, as its user would type it."""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest

from tuimon.base.process import this_process
from tuimon.launcher.runs.retyped import retyped
from tuimon.log.records import Launched
from tuimon.spec.loading import load_spec, save_spec

STARTED = Launched("a", ("python", "-m", "tuimon.training", "/r/a"), "/", this_process())


def launched(source: str, *settings: str) -> Launched:
    """A run of a preset or a file."""
    return msgspec.structs.replace(STARTED, spec=msgspec.to_builtins(load_spec(source, settings)))


@pytest.mark.parametrize("settings", [(), ("lr=0.02", "training.epochs=3"), ("optimizer.name=sgd", "model.hidden=16,8")])
def test_a_preset_is_named_with_what_was_changed(settings: tuple[str, ...]) -> None:
    """Typed again, it gives the same spec."""
    words = shlex.split(retyped(Path("/r/a"), launched("digits-mlp", *settings)))
    assert words[:3] == ["tuimon", "run", "digits-mlp"]
    assert load_spec("digits-mlp", words[3:]) == load_spec("digits-mlp", settings)


def test_a_file_that_is_gone_leaves_the_spec_in_the_folder(tmp_path: Path) -> None:
    """As does a spec that this version cannot read."""
    file = tmp_path / "mine.toml"
    save_spec(msgspec.structs.replace(load_spec("digits-mlp"), preset=""), tmp_path)
    (tmp_path / "spec.toml").rename(file)
    run = launched(str(file), "lr=0.5")
    assert retyped(Path("/r/a"), run) == f"tuimon run {file} lr=0.5"
    file.unlink()
    assert retyped(Path("/r/a"), run) == "tuimon run /r/a/spec.toml"
    assert retyped(Path("/r/a"), msgspec.structs.replace(STARTED, spec={"model": 3})) == "tuimon run /r/a/spec.toml"


def test_a_program_is_started_by_its_own_words() -> None:
    """As they followed `tuimon run`; a log of an earlier version has only the command."""
    assert (
        retyped(Path("/r/a"), msgspec.structs.replace(STARTED, words=("train.py", "--x", "a b")))
        == "tuimon run train.py --x 'a b'"
    )
    assert retyped(Path("/r/a"), STARTED) == "python -m tuimon.training /r/a"
