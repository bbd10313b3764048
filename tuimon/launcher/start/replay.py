"""Trains a run again, with the same interventions at the same steps.

Everything the user did to a run is in its log; with its spec or script, nothing else is needed. On a CPU, a spec's run ends
with bit-identical weights; a script's run is as reproducible as the script.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from tuimon.base.errors import TuimonError
from tuimon.launcher.places.local import HERE
from tuimon.launcher.places.place import Place
from tuimon.launcher.start.fork import FORK_CHECKPOINT, fork_again
from tuimon.launcher.start.program import program_of, words_of
from tuimon.launcher.start.resume import cwd_of
from tuimon.launcher.start.start import SCRIPT_COPY, start, start_program
from tuimon.launcher.start.trust import require_trust_in_run
from tuimon.log.reader import read_run
from tuimon.log.records import BY_SPEC, Applied, Command, Planned, RunStarted
from tuimon.log.store import Store
from tuimon.spec import SPEC_FILE
from tuimon.spec.loading import load_spec

_LEFT_OUT = ("paused", "stop", "autopilot")
_DONE_AGAIN = ("checkpoint", "rewind", "reinit_dead_units", "reinit_weights", "reset_optimizer")


def replay(
    run: Path,
    settings: Sequence[str] = (),
    *,
    runs_dir: Path,
    name: str | None = None,
    device: str | None = None,
    place: Place = HERE,
    trusted: bool = False,
) -> Path:
    """Starts the replay of a run in the background.

    Args:
        run: the folder of the run to repeat.
        settings: `key=value` changes to its spec.
        runs_dir: the folder for the new run's folder.
        name: the new folder's name; None: the old name with a number.
        device: as in `start`; None for a script: the device chosen for the old run, if any.
        place: where it trains.
        trusted: whether the user agreed to run files that other users can change.

    Returns:
        The new run's folder.

    Raises:
        Untrusted: it would run such files.
        TuimonError: the log does not say how the run was started, or it cannot be started again.
    """
    store, cwd, stem, doing = read_run(run), cwd_of(run), f"{run.name}-replay", f"Replaying {run.name}"
    steering = steering_of(store)
    if (run / SPEC_FILE).is_file():
        spec = load_spec(run / SPEC_FILE, settings)
        require_trust_in_run(doing, run, spec, trusted)
        if (run / FORK_CHECKPOINT).is_file():
            return fork_again(run, settings, steering, runs_dir=runs_dir, name=name, device=device, place=place)
        how: dict[str, Any] = {"runs_dir": runs_dir, "name": name, "stem": stem, "device": device, "steering": steering}
        return start(spec, cwd=cwd, place=place, trusted=True, **how)
    words = words_of(store.launched) if store.launched else ()
    if not words:
        hint = "Only runs that tuimon started from a preset, a spec file or a program can be replayed."
        raise TuimonError(f"Cannot replay {run.name}: its log does not say how it was started.", hint)
    if settings:
        raise TuimonError(f"Cannot replay {run.name} with {settings[0]}: it is the run of a program and has no spec.")
    program = program_of(words, cwd)
    require_trust_in_run(doing, run, program, trusted, cwd)
    _check_unchanged(run, program.file, cwd or Path())
    device = device or _as_before(store, place)
    how = {"runs_dir": runs_dir, "name": name, "stem": stem, "device": device, "steering": steering}
    return start_program(words, cwd=cwd, place=place, trusted=True, **how)


def _as_before(store: Store, place: Place) -> str | None:
    """The device that was chosen for the old run, if any; which GPU that was means nothing on another machine."""
    device = store.launched.device if store.launched else ""
    return (device.partition(":")[0] if place.elsewhere else device) or None


def steering_of(store: Store) -> list[Planned]:
    """Returns what was done to a run, as commands in the order of their steps.

    Leaves out pauses, stops and the autopilot's switch, which do not change the result themselves; the checkpoints of a run
    that never went back to one; changes that the run's own spec makes; and changes that were lost when the run was resumed
    from an earlier checkpoint.
    """
    planned: list[Planned] = []
    attempt = None
    for record in store.events:
        match record.event:
            case RunStarted(first_step=first, process=process) if first and (process, first) != attempt:
                attempt = process, first
                planned = [known for known in planned if (known.step, known.mid_step) <= (first, False)]
            case Applied(lever=lever, by=by) as applied if lever not in _LEFT_OUT and by != BY_SPEC:
                planned += [Planned(applied.step, command, applied.mid_step) for command in _commands(applied)]
    rewound = any(one.command.lever == "rewind" for one in planned)
    return [one for one in planned if rewound or one.command.lever != "checkpoint"]


def _commands(applied: Applied) -> Iterator[Command]:
    """Yields the commands that set a lever as it was set, or do an action again."""
    by = f"replay of {applied.by}" if applied.by else "replay"
    if applied.lever in _DONE_AGAIN:
        yield Command(applied.lever, "do", applied.new, by=by)
    if applied.new is None or applied.lever in _DONE_AGAIN:
        return
    if applied.new_enabled or applied.new != applied.old:
        yield Command(applied.lever, "set", applied.new, by=by)
    if not applied.new_enabled:
        yield Command(applied.lever, "off", by=by)


def _check_unchanged(run: Path, file: Path | None, cwd: Path) -> None:
    """Raises TuimonError if a program's source has changed since the run."""
    if file is None:
        return
    try:
        same = (run / SCRIPT_COPY).read_bytes() == (cwd / file).read_bytes()
    except OSError as error:
        raise TuimonError(f"Cannot replay {run.name}: {error.filename}: {error.strerror}.") from error
    if not same:
        hint = f"A copy of the file as it was then is {run / SCRIPT_COPY}."
        raise TuimonError(f"Cannot replay {run.name}: {cwd / file} has changed since.", hint)
