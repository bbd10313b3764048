"""Starts runs: makes the folder, chooses the device, and hands the trainer to a supervisor.

Whatever can be wrong is found before anything starts, and told in one line.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib.util
import os
import re
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from tuimon.errors import TuimonError
from tuimon.format import count
from tuimon.here import current_folder
from tuimon.launcher.devices import Device, choose_device
from tuimon.launcher.glance import glance, lifecycle
from tuimon.launcher.runs import LAST_CHECKPOINT, list_runs
from tuimon.launcher.spawn import PYTHON, supervise
from tuimon.log.records import STEERING_FILE, CheckpointSaved, Launched, Planned
from tuimon.run_name import check_name
from tuimon.spec import MAY_CHANGE, SPEC_FILE, Spec, find_key, load_spec

MODEL_COPY = "model.py"  # the user's own model file as it was when the run started; the run itself uses the file where it lies
SCRIPT_COPY = "script.py"  # and likewise a training script
_SCRIPT_RUNNER = "tuimon.monitor.script"

_LATEST = 32  # runs to look at, in search of those that are starting


def start(
    spec: Spec,
    *,
    runs_dir: Path,
    name: str | None = None,
    stem: str | None = None,
    device: str | None = None,
    steering: Sequence[Planned] = (),
    cwd: Path | None = None,
) -> Path:
    """Starts a run, detached.

    Args:
        spec: what to train.
        runs_dir: where the run's folder is made.
        name: the folder's name; None: made from `stem` and a number.
        stem: None: the spec's name.
        device: auto, cpu, cuda, cuda:N, mps; None: what the spec says.
        steering: what is to be done to the run, in the order of its steps.
        cwd: where it runs; None: here.

    Returns:
        The run's folder.

    Raises:
        TuimonError: it cannot be started; nothing was.
    """
    if name is not None:
        check_name(name)
    choice = choose_device(device or spec.training.device, starting=lambda: _starting(runs_dir))
    require_torch()
    current_folder()  # which the run takes over
    run = _make_folder(runs_dir, name, stem or spec.name)
    _write_spec(run, spec := placed(spec, device, choice))
    _write_steering(run, steering)
    return _launch(run, spec, choice, cwd=cwd)


def start_script(
    script: Path,
    arguments: Sequence[str] = (),
    *,
    runs_dir: Path,
    name: str | None = None,
    stem: str | None = None,
    device: str | None = None,
    steering: Sequence[Planned] = (),
    cwd: Path | None = None,
) -> Path:
    """Starts a training script of the user's own, detached; it is watched without a line in it.

    Args:
        script: a Python file, run as Python would.
        arguments: its own arguments.
        runs_dir: where the run's folder is made.
        name: the folder's name; None: made from `stem` and a number.
        stem: None: the script's name.
        device: the GPU that it is to see, as of `choose_device`, or `cpu` for none; None: whatever it sees by itself.
        steering: as of `start`.
        cwd: as of `start`; a relative path of the script counts from there.

    Returns:
        The run's folder.

    Raises:
        TuimonError: it cannot be started; nothing was.
    """
    if name is not None:
        check_name(name)
    choice = choose_device(device) if device else Device("")
    require_torch()
    current_folder()
    code = _read_script(cwd / script if cwd else script)
    run = _make_folder(runs_dir, name, stem or script.stem)
    _keep(run, SCRIPT_COPY, code)
    _write_steering(run, steering)
    hidden = {"CUDA_VISIBLE_DEVICES": ""} if choice.device == "cpu" else {}
    supervise(
        run,
        [*PYTHON, _SCRIPT_RUNNER, str(run), str(script), *arguments],
        details={"name": run.name, "device": choice.label},
        environment=choice.environment | hidden,
        cwd=cwd,
    )
    return run


def script_of(launched: Launched) -> tuple[Path, tuple[str, ...]] | None:
    """The script that a run was started from, with its arguments; None where it was none."""
    command = launched.command
    if command[: len(PYTHON) + 1] != (*command[:1], *PYTHON[1:], _SCRIPT_RUNNER):
        return None
    return Path(command[len(PYTHON) + 2]), command[len(PYTHON) + 3 :]


def resume_run(run: Path, device: str | None = None, settings: Sequence[str] = ()) -> Path:
    """Goes on with a run that has ended, from its last checkpoint, in its own folder.

    Args:
        run: its folder.
        device: as of `start`.
        settings: `key=value` texts that change its spec, of those keys that may change.

    Raises:
        TuimonError: it still runs, there is nothing to go on from, it has nothing left to train, or a setting would make it
            another run.
    """
    if not (run / SPEC_FILE).is_file():
        hint = "Only runs of presets and spec files can be resumed; a script goes on in its own way, if it has one."
        raise TuimonError(f"Cannot resume {run.name}: no {run / SPEC_FILE}.", hint)
    if not (run / LAST_CHECKPOINT).is_file():
        raise TuimonError(
            f"Cannot resume {run.name}: it saved no {LAST_CHECKPOINT}.", f"Start again: tuimon run {run / SPEC_FILE}"
        )
    spec = load_spec(run / SPEC_FILE, settings)
    _check_same_run(run, settings)
    _check_unfinished(run, spec)
    choice = choose_device(device or spec.training.device, starting=lambda: _starting(run.parent))
    require_torch()
    with _only_one(run):
        spec = placed(spec, device, choice)
        return _launch(run, spec, choice, *settings, f"device={spec.training.device}", "--resume", cwd=cwd_of(run))


def require_torch() -> None:
    """Raises TuimonError where torch is not installed; without importing it."""
    if importlib.util.find_spec("torch") is None:
        raise TuimonError(
            f"Cannot train: torch is not installed for {sys.executable}.", 'Install it: pip install "tuimon[train]"'
        )


def placed(spec: Spec, device: str | None, choice: Device) -> Spec:
    """The spec for this device: the trainer sees one GPU, and `cuda:3` would mean nothing to it."""
    asked = device or spec.training.device
    told = asked if asked == "auto" else choice.device
    return msgspec.structs.replace(spec, training=msgspec.structs.replace(spec.training, device=told))


def _starting(runs_dir: Path) -> list[str]:
    """The devices of runs that are only just starting, as when several are started in a row."""
    lives = map(lifecycle, list_runs(runs_dir)[:_LATEST])
    return [life.launched.device for life in lives if life.launched and life.status().state == "starting"]


def _check_same_run(run: Path, settings: Sequence[str]) -> None:
    wrong = next((text for text in settings if find_key(text.partition("=")[0].strip()) not in MAY_CHANGE), None)
    if wrong is not None:
        may = ", ".join(key.rpartition(".")[2] for key in MAY_CHANGE)
        hint = f"What may change is {may}; for all else start a new run: tuimon run {run / SPEC_FILE} {wrong}"
        raise TuimonError(f"Cannot resume {run.name} with {wrong}: it would be another run.", hint)


def _check_unfinished(run: Path, spec: Spec) -> None:
    """A run that is at its end would import torch for nothing, and leave one more attempt in its log."""
    log = glance(run, places=0)
    an_epoch = log.started.steps_per_epoch if log.started else None
    total = spec.training.steps or spec.training.epochs * (an_epoch or 0)
    checkpoints = [record.event for record in log.events if isinstance(record.event, CheckpointSaved)]
    saved = max((checkpoint.step for checkpoint in checkpoints if checkpoint.reason == "last"), default=0)
    if 0 < total <= saved:
        hint = f"Train it for longer: tuimon resume {run.name} {'steps' if spec.training.steps else 'epochs'}=…"
        raise TuimonError(f"Nothing is left to train of {run.name}: it has trained {count(saved)} steps already.", hint)


def _launch(run: Path, spec: Spec, choice: Device, *more: str, cwd: Path | None = None) -> Path:
    """Hands the trainer to a supervisor; `more` are words for it beside the run's own spec and folder."""
    command = [*PYTHON, "tuimon.training", str(run / SPEC_FILE), "--run-dir", str(run), *more]
    details = {"name": run.name, "device": choice.label, "spec": spec.to_dict()}
    supervise(run, command, details=details, environment=choice.environment, cwd=cwd)
    return run


def cwd_of(run: Path) -> Path | None:
    """Where the run was started before, so that its relative paths mean the same."""
    launched = lifecycle(run).launched
    return Path(launched.cwd) if launched and os.path.isdir(launched.cwd) else None


def _make_folder(runs_dir: Path, name: str | None, stem: str) -> Path:
    """Makes the run's folder; `mkdir` decides between two that want the same name."""
    try:
        runs_dir.mkdir(parents=True, exist_ok=True)
        return _make_named(runs_dir, name) if name is not None else _make_numbered(runs_dir, stem)
    except OSError as error:
        hint = "Choose another folder with --runs-dir or $TUIMON_RUNS."
        raise TuimonError(f"Cannot make a run's folder in {runs_dir}: {error.strerror}.", hint) from error


def _make_named(runs_dir: Path, name: str) -> Path:
    run = runs_dir / name
    try:
        run.mkdir()
    except FileExistsError:
        hint = f"`tuimon resume {name}` goes on with it."
        raise TuimonError(f"There is already a run called {name} in {runs_dir}.", hint) from None
    return run


def _make_numbered(runs_dir: Path, stem: str) -> Path:
    stem = re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"
    numbers = [int(found[1]) for entry in os.listdir(runs_dir) if (found := re.fullmatch(re.escape(stem) + r"-(\d+)", entry))]
    number = max(numbers, default=0) + 1
    while True:
        with contextlib.suppress(FileExistsError):
            run = runs_dir / f"{stem}-{number:02d}"
            run.mkdir()
            return run
        number += 1


def _write_spec(run: Path, spec: Spec) -> None:
    _keep(run, SPEC_FILE, spec.to_toml().encode())
    if spec.model.name.endswith(".py"):
        _keep(run, MODEL_COPY, _read_script(Path(spec.model.name)))


def _write_steering(run: Path, steering: Sequence[Planned]) -> None:
    if steering:
        _keep(run, STEERING_FILE, msgspec.json.format(msgspec.json.encode(steering)))


def _read_script(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TuimonError(f"Cannot read {path}: {error.strerror}.") from error


def _keep(run: Path, name: str, content: bytes) -> None:
    """Writes a file of what the run is into its folder, which goes again if it cannot be written."""
    try:
        (run / name).write_bytes(content)
    except OSError as error:
        shutil.rmtree(run, ignore_errors=True)
        raise TuimonError(f"Cannot write the run's description in {run}: {error.strerror}.") from error


@contextlib.contextmanager
def _only_one(run: Path) -> Iterator[None]:
    """Holds the run's folder against a second resume, until the log shows the first."""
    folder = os.open(run, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        status = lifecycle(run).status()
        if status.live or status.state == "unknown":
            hint = f"`tuimon set {run.name} resume` ends the pause." if status.state == "paused" else ""
            raise TuimonError(f"Cannot resume {run.name}: it is {status.state} {status.detail}".rstrip() + ".", hint)
        yield
    finally:
        os.close(folder)
