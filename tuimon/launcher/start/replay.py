"""Trains a run again, with what was done to it done again, at the same steps.

What a user did to a run stands in its log, so that is all that is needed beside its spec or script. On a CPU a spec's run ends
with the very same weights; a script's does as far as the script itself would.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.launcher.start.program import program_of, words_of
from tuimon.launcher.start.resume import cwd_of
from tuimon.launcher.start.start import SCRIPT_COPY, start, start_program
from tuimon.launcher.start.trust import require_trust_in_run
from tuimon.log.reader import read_run
from tuimon.log.records import BY_SPEC, Applied, Command, Planned, RunStarted
from tuimon.log.store import Store
from tuimon.spec.loading import load_spec
from tuimon.spec.spec import SPEC_FILE


def replay(
    run: Path,
    settings: Sequence[str] = (),
    *,
    runs_dir: Path,
    name: str | None = None,
    device: str | None = None,
    trusted: bool = False,
) -> Path:
    """Starts the replay of a run, detached.

    Args:
        run: the folder of the run to repeat.
        settings: `key=value` texts that change its spec.
        runs_dir: where the new run's folder is made.
        name: the new folder's name; None: made from the old one's and a number.
        device: as of `start`; None of a script: the one that it was started on, if one was chosen.
        trusted: whether the user agreed to run files that other users can change.

    Returns:
        The new run's folder.

    Raises:
        Untrusted: it would run such files.
        TuimonError: nothing says how the run was started, or it cannot be started again.
    """
    store, cwd, stem, doing = read_run(run), cwd_of(run), f"{run.name}-replay", f"Replaying {run.name}"
    steering = steering_of(store)
    if (run / SPEC_FILE).is_file():
        spec = load_spec(run / SPEC_FILE, settings)
        require_trust_in_run(doing, run, spec, trusted)
        return start(spec, runs_dir=runs_dir, name=name, stem=stem, device=device, steering=steering, cwd=cwd, trusted=True)
    words = words_of(store.launched) if store.launched else ()
    if not words:
        hint = "Only runs that tuimon started, from a preset, a spec file or a script, can be replayed."
        raise TuimonError(f"Cannot replay {run.name}: nothing in it says how it was started.", hint)
    if settings:
        raise TuimonError(f"Cannot replay {run.name} with {settings[0]}: it is a script's run, which has no spec.")
    program = program_of(words, cwd)
    require_trust_in_run(doing, run, program, trusted, cwd)
    _check_unchanged(run, program.file, cwd or Path())
    device = device or (store.launched and store.launched.device) or None  # as before
    return start_program(
        words, runs_dir=runs_dir, name=name, stem=stem, device=device, steering=steering, cwd=cwd, trusted=True
    )


def steering_of(store: Store) -> list[Planned]:
    """What was done to a run, as commands in the order of their steps.

    Pauses, checkpoints and a stop change nothing in what is trained, and are left out; so is what a run's own plan does anyway,
    and what was lost when a run was resumed from a checkpoint before it.
    """
    planned: list[Planned] = []
    attempt = None
    for record in store.events:
        match record.event:
            case RunStarted(first_step=first, process=process) if first and (process, first) != attempt:
                attempt = process, first
                planned = [known for known in planned if (known.step, known.mid_step) <= (first, False)]
            case Applied(lever=lever, by=by) as applied if lever != "paused" and by != BY_SPEC:
                planned += [Planned(applied.step, command, applied.mid_step) for command in _commands(applied)]
    return planned


def _commands(applied: Applied) -> Iterator[Command]:
    """What puts a lever where it was put; nothing for an action."""
    if applied.new is None:
        return
    by = f"replay of {applied.by}" if applied.by else "replay"
    if applied.new_enabled or applied.new != applied.old:
        yield Command(applied.lever, "set", applied.new, by=by)
    if not applied.new_enabled:
        yield Command(applied.lever, "off", by=by)


def _check_unchanged(run: Path, file: Path | None, cwd: Path) -> None:
    """Raises TuimonError where the source of a program is no longer the one that was run."""
    if file is None:
        return
    try:
        same = (run / SCRIPT_COPY).read_bytes() == (cwd / file).read_bytes()
    except OSError as error:
        raise TuimonError(f"Cannot replay {run.name}: {error.filename}: {error.strerror}.") from error
    if not same:
        hint = f"As it was then, it is kept as {run / SCRIPT_COPY}."
        raise TuimonError(f"Cannot replay {run.name}: {cwd / file} has changed since.", hint)
