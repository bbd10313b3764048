"""Nobody else's code is run unasked: what is refused before anything starts, what the refusal says, and what is left alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from conftest import wait_until
from launching import Runs
from tuimon.base.process import Process, this_process
from tuimon.launcher.places import local
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.start.checking import check
from tuimon.launcher.start.replay import replay
from tuimon.launcher.start.resume import resume_run
from tuimon.launcher.start.start import start, start_program
from tuimon.launcher.start.trust import Untrusted
from tuimon.log.records import Launched
from tuimon.log.writer import LogWriter
from tuimon.spec.loading import load_spec

MODEL = """
from pathlib import Path
Path(__file__).with_name("was-run").touch()
from torch import nn
def build(spec):
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
"""
Act = Callable[[Path, bool], object]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The commands that would have been started; nothing is."""
    commands: list[list[str]] = []
    monkeypatch.setattr(local, "supervise", lambda run, command, **more: commands.append(list(command)))
    return commands


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run's folder of the user's own, as complete as resuming and repeating need it, which names a model file beside it."""
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.py").write_text(MODEL)
    run = tmp_path / "theirs"
    log = LogWriter(run, "launch")
    log.event(Launched(name="theirs", command=("x",), cwd=str(tmp_path), supervisor=this_process_that_was(), user="you"))
    log.close()
    (run / "spec.toml").write_text(load_spec("digits-mlp", [f"model.name={tmp_path}/models/mine.py", "steps=20"]).to_toml())
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last.pt").touch()
    return run


def this_process_that_was() -> Process:
    """A process that has ended: this one, begun earlier than it was."""
    return msgspec.structs.replace(this_process(), started=1.0)


def new_run(run: Path, trusted: bool) -> object:
    return start(load_spec(run), runs_dir=run.parent / "runs", source=run, trusted=trusted)


def again(run: Path, trusted: bool) -> object:
    return replay(run, runs_dir=run.parent / "runs", trusted=trusted)


def go_on(run: Path, trusted: bool) -> object:
    return resume_run(run, trusted=trusted)


def look(run: Path, trusted: bool) -> object:
    return next(check(load_spec(run), run, trusted))


each_way = pytest.mark.parametrize("act", [new_run, again, go_on, look], ids=["run FOLDER", "replay", "resume", "check FOLDER"])


@each_way
@pytest.mark.parametrize(
    ("place", "mode"),
    [
        ("theirs", 0o777),
        ("theirs", 0o1777),
        ("theirs/spec.toml", 0o666),
        ("models", 0o777),
        ("models", 0o1777),
        ("models/mine.py", 0o666),
    ],
)
def test_what_others_can_change_is_not_run_unasked(
    run: Path, tmp_path: Path, started: list[list[str]], act: Act, place: str, mode: int
) -> None:
    """The folder, its spec, the model file, and the folder beside it, where modules that it imports are looked for."""
    (tmp_path / place).chmod(mode)
    with pytest.raises(Untrusted) as refused:
        act(run, False)
    assert f"would run {tmp_path}/models/mine.py" in refused.value.message
    assert f"{tmp_path / place} can be changed by everybody" in refused.value.message
    assert "--trust" in refused.value.hint
    assert not started and not (tmp_path / "models" / "was-run").exists() and not (tmp_path / "runs").exists()


@each_way
def test_what_the_user_trusts_is_run_and_so_is_what_is_the_users_own(
    run: Path, tmp_path: Path, started: list[list[str]], act: Act
) -> None:
    """Without a question where nobody else can change it."""
    act(run, False)
    (tmp_path / "theirs").chmod(0o777)
    act(run, True)
    assert len(started) == (0 if act is look else 2)


@pytest.mark.parametrize("act", [new_run, again, go_on], ids=["run FOLDER", "replay", "resume"])
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder to another user: run the tests as root")
def test_the_owner_is_named(run: Path, started: list[list[str]], act: Act) -> None:
    """As people know the user; of root's too, who could do anything, but did not write this."""
    os.chown(run, 54321, 54321)
    with pytest.raises(Untrusted, match=f"{run} belongs to uid 54321"):
        act(run, False)
    assert not started


@pytest.mark.parametrize("act", [new_run, again, go_on], ids=["run FOLDER", "replay", "resume"])
def test_a_folder_that_names_no_file_is_not_followed_unasked_either(run: Path, started: list[list[str]], act: Act) -> None:
    """Its spec, its log and its checkpoint are others' words; to resume it is to write there."""
    (run / "spec.toml").write_text(load_spec("digits-mlp").to_toml())
    run.chmod(0o777)
    with pytest.raises(Untrusted, match="would use files that others can change"):
        act(run, False)
    assert not started


def test_a_spec_file_is_judged_only_when_it_names_a_file_to_run(tmp_path: Path, started: list[list[str]]) -> None:
    """Settings can do no harm; a model file that they choose can, be it the user's own."""
    (tmp_path / "own.py").write_text(MODEL)
    spec = tmp_path / "theirs.toml"
    spec.write_text('preset = "digits-mlp"\n')
    spec.chmod(0o666)
    start(load_spec(spec), runs_dir=tmp_path / "runs", source=spec)
    assert len(started) == 1
    spec.write_text(f'preset = "digits-mlp"\n[model]\nname = "{tmp_path}/own.py"\n')
    with pytest.raises(Untrusted, match=f"would run {tmp_path}/own.py: {spec} can be changed by everybody"):
        start(load_spec(spec), runs_dir=tmp_path / "runs", source=spec)


def test_a_model_file_that_is_typed_is_judged_too_and_presets_and_scripts_are_not(
    tmp_path: Path, started: list[list[str]]
) -> None:
    """A preset is tuimon's own, and a script is run as `python script.py` would."""
    theirs = tmp_path / "theirs.py"
    theirs.write_text(MODEL)
    theirs.chmod(0o666)
    with pytest.raises(Untrusted):
        start(load_spec("digits-mlp", [f"model.name={theirs}"]), runs_dir=tmp_path / "runs", source="digits-mlp")
    start(load_spec("digits-mlp"), runs_dir=tmp_path / "runs", source="digits-mlp")
    start_program([str(theirs)], runs_dir=tmp_path / "runs")
    assert len(started) == 2


def test_a_log_that_names_a_program_is_not_believed(tmp_path: Path, started: list[list[str]]) -> None:
    """Not with the user's own script either: the log chooses it, and its arguments."""
    (tmp_path / "own.py").write_text("print()")
    run = tmp_path / "theirs"
    log = LogWriter(run, "launch")
    words = ("own.py", "--delete", "all")
    supervisor = this_process_that_was()
    log.event(Launched(name="theirs", command=("x",), cwd=str(tmp_path), supervisor=supervisor, user="you", words=words))
    log.close()
    (run / "script.py").write_text("print()")
    replay(run, runs_dir=tmp_path / "runs")
    assert started[0][-3:] == list(words)
    log.path.chmod(0o666)
    with pytest.raises(Untrusted, match=f"own.py --delete all: {log.path} can be changed by everybody"):
        replay(run, runs_dir=tmp_path / "runs")
    assert len(started) == 1


@pytest.mark.parametrize("place", ["theirs", "theirs/__main__.py"])
def test_a_folder_that_is_a_program_is_not_run_unasked(tmp_path: Path, started: list[list[str]], place: str) -> None:
    """Whoever types a folder means a run's, perhaps; what is in it is another user's choice."""
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "__main__.py").write_text("print()")
    start_program([str(tmp_path / "theirs")], runs_dir=tmp_path / "runs")
    (tmp_path / place).chmod(0o777)
    with pytest.raises(Untrusted, match=f"would run {tmp_path}/theirs/__main__.py: {tmp_path / place} can be changed"):
        start_program([str(tmp_path / "theirs")], runs_dir=tmp_path / "runs")
    assert len(started) == 1


def test_control_characters_in_what_is_named_are_not_printed(run: Path, tmp_path: Path, started: list[list[str]]) -> None:
    """They would hide on a terminal what is asked."""
    odd = tmp_path / "a\x1b[2Jb.py"
    odd.write_text(MODEL)
    odd.chmod(0o666)
    with pytest.raises(Untrusted) as refused:
        start(load_spec("digits-mlp", [f"model.name={odd}"]), runs_dir=tmp_path / "runs")
    assert "\x1b" not in str(refused.value) and "a?[2Jb.py" in refused.value.message


def test_the_file_that_was_checked_is_the_file_that_runs(runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder of runs that others may write to, a spec may be another by the time that the trainer reads it."""
    evil = tmp_path / "evil.py"
    evil.write_text(MODEL)
    supervise = local.supervise

    def exchange(run: Path, command: list[str], **more: Any) -> int:
        (run / "spec.toml").write_text(load_spec("digits-mlp", [f"model.name={evil}", "steps=20"]).to_toml())
        return supervise(run, command, **more)

    monkeypatch.setattr(local, "supervise", exchange)
    run = start(load_spec("digits-mlp", ["steps=20"]), runs_dir=runs.folder, device="cpu")
    wait_until(lambda: lifecycle(run).exited, 100)
    assert lifecycle(run).status().state == "finished", (run / "output.log").read_text()
    assert not (tmp_path / "was-run").exists()
