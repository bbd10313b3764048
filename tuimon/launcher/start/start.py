"""Starts runs: chooses the device, and starts the trainer or the user's program under a supervisor.

Problems are found before anything starts, and reported in one line.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from tuimon.base import given
from tuimon.base.errors import TuimonError
from tuimon.base.here import current_folder
from tuimon.launcher.places.local import HERE
from tuimon.launcher.places.place import Job, Place
from tuimon.launcher.places.spawn import PYTHON, watched
from tuimon.launcher.runs.glance import lifecycle
from tuimon.launcher.runs.runs import list_runs
from tuimon.launcher.start.devices import Device, choose_device, unseen_device
from tuimon.launcher.start.program import Program, program_of
from tuimon.launcher.start.run_folder import make_run_folder
from tuimon.launcher.start.streams import Streams
from tuimon.launcher.start.trust import require_trust, require_trust_in_program
from tuimon.log.records import STEERING_FILE, Planned
from tuimon.spec import SPEC_FILE
from tuimon.spec.files import check_files
from tuimon.spec.spec import Spec

MODEL_COPY = "model.py"  # a copy of the user's model file; the run itself uses the original
SCRIPT_COPY = "script.py"  # and of a program's source
_LATEST = 32  # runs to look at, to find those that are starting


def start(
    spec: Spec,
    *,
    runs_dir: Path,
    name: str | None = None,
    stem: str | None = None,
    device: str | None = None,
    steering: Sequence[Planned] = (),
    cwd: Path | None = None,
    source: str | Path | None = None,
    environment: Mapping[str, str] | None = None,
    place: Place = HERE,
    trusted: bool = False,
) -> Path:
    """Starts a run in the background.

    Args:
        spec: the spec to train.
        runs_dir: the folder for the run's folder.
        name: the run's name; None: `stem` with a number.
        stem: None: the spec's name.
        device: auto, cpu, cuda, cuda:N, mps; None: as in the spec.
        steering: commands to apply during the run, in the order of their steps.
        cwd: its working directory; None: the current folder.
        source: where the spec comes from: a preset's name, a TOML file or a run's folder; None: from the caller.
        environment: more environment variables for the run.
        place: where it trains.
        trusted: whether the user agreed to run files that other users can change.

    Returns:
        The run's folder.

    Raises:
        Untrusted: it would run such files.
        TuimonError: it cannot be started. In both cases, nothing was started.
    """
    require_trust(spec, source, trusted)
    check_files(spec)
    choice = device_at(place, device or spec.training.device, runs_dir)
    require_torch()
    current_folder()  # the run inherits it
    spec = placed(spec, device, choice)
    run = make_run_folder(runs_dir, name, stem or spec.name, {**files_of(spec), **_steered(steering)})
    return launch(run, spec, choice, cwd=cwd, environment=environment, place=place)


def start_program(
    words: Sequence[str],
    *,
    runs_dir: Path,
    name: str | None = None,
    stem: str | None = None,
    device: str | None = None,
    steering: Sequence[Planned] = (),
    cwd: Path | None = None,
    streams: Streams | None = None,
    environment: Mapping[str, str] | None = None,
    place: Place = HERE,
    trusted: bool = False,
) -> Path:
    """Starts a program of the user's in the background, and watches it and its Python child processes without changes to it.

    Args:
        words: as in `program_of`.
        runs_dir: the folder for the run's folder.
        name: the run's name; None: `stem` with a number.
        stem: None: the program's name.
        device: the GPU that it may see, as in `choose_device`, or `cpu` for none; None: all that it sees by itself, or `auto`
            where runs wait for a device.
        steering: as in `start`.
        cwd: as in `start`; relative paths in `words` start there.
        streams: its standard streams; None: it reads nothing.
        environment: as in `start`.
        place: as in `start`.
        trusted: whether the user agreed to run a folder that other users can change.

    Returns:
        The run's folder.

    Raises:
        Untrusted: it would run such a folder.
        TuimonError: it cannot be started. In both cases, nothing was started.
    """
    streams = streams or Streams()
    try:
        require_trust_in_program(words, trusted)
        program = program_of(words, cwd)
        device = device or ("auto" if place.queues else None)
        choice = device_at(place, device, runs_dir) if device else Device("")
        require_torch()
        current_folder()
        files = {given.TOKEN: b"", **_source_of(program, cwd), **_steered(steering)}
        run = make_run_folder(runs_dir, name, stem or program.name, files)
        streams.open(run)
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if choice.device == "cpu" else {}
        job = Job(
            run,
            program.command,
            details={"name": run.name, "device": choice.label, "words": words, **streams.details},
            environment={**choice.environment, **hidden, **(environment or {})},
            for_command=watched(run),
            devices=choice.candidates,
            cwd=cwd,
            descriptors=streams.handed_over,
        )
        place.submit([job])
        return run
    finally:
        streams.close_stdin()


def device_at(place: Place, text: str, runs_dir: Path) -> Device:
    """Chooses a device as `choose_device` does; raises TuimonError also if a run could never start there."""
    choice = unseen_device(text) if place.elsewhere else choose_device(text, starting=lambda: starting(runs_dir))
    place.check(choice.candidates)
    return choice


def require_torch() -> None:
    """Raises TuimonError if torch is not installed; does not import it."""
    if importlib.util.find_spec("torch") is None:
        raise TuimonError(
            f"Cannot train: torch is not installed for {sys.executable}.", 'Install it: pip install "tuimon[train]"'
        )


def placed(spec: Spec, device: str | None, choice: Device) -> Spec:
    """Returns the spec for a device: the trainer sees a single GPU, so `cuda:3` would be invalid there."""
    asked = device or spec.training.device
    told = asked if asked == "auto" else choice.device
    return msgspec.structs.replace(spec, training=msgspec.structs.replace(spec.training, device=told))


def starting(runs_dir: Path) -> list[str]:
    """Returns the devices of runs that are still starting, as when several are started in a row."""
    lives = map(lifecycle, list_runs(runs_dir)[:_LATEST])
    return [life.launched.device for life in lives if life.launched and life.status().state == "starting"]


def launch(
    run: Path,
    spec: Spec,
    choice: Device,
    *more: str,
    cwd: Path | None = None,
    environment: Mapping[str, str] | None = None,
    place: Place = HERE,
) -> Path:
    """Starts the trainer under a supervisor at a place; `more` are further arguments for the trainer.

    The command line names the model, too: if others may write to the folder of runs, they can replace the spec before the
    trainer reads it, but the file that runs must be the one that was checked.
    """
    model = f"model.name={spec.model.name}"
    command = [*PYTHON, "tuimon.training", str(run / SPEC_FILE), model, "--run-dir", str(run)]
    details = {"name": run.name, "device": choice.label, "spec": spec.to_dict()}
    variables = {**choice.environment, **(environment or {})}
    again = [*command, *_without_fork(more), *(() if "--resume" in more else ("--resume",))]
    place.submit([Job(run, [*command, *more], details, variables, devices=choice.candidates, cwd=cwd, again=again)])
    return run


def _without_fork(more: Sequence[str]) -> list[str]:
    """The trainer's arguments for going on with a fork, which is a run of its own by then."""
    at = more.index("--fork") if "--fork" in more else len(more)
    return [*more[:at], *more[at + 2 :]]


def _source_of(program: Program, cwd: Path | None) -> dict[str, bytes]:
    return {SCRIPT_COPY: _read((cwd or Path()) / program.file)} if program.file else {}


def files_of(spec: Spec) -> dict[str, bytes]:
    """Returns the files that define a spec's run, by name."""
    files = {SPEC_FILE: spec.to_toml().encode()}
    if spec.model.name.endswith(".py"):
        files[MODEL_COPY] = _read(Path(spec.model.name))
    return files


def _steered(steering: Sequence[Planned]) -> dict[str, bytes]:
    return {STEERING_FILE: msgspec.json.format(msgspec.json.encode(steering))} if steering else {}


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise TuimonError(f"Cannot read {path}: {error.strerror}.") from error
