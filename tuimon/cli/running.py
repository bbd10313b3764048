"""Verbs that start or watch runs: `run`, `resume`, `replay`, `attach`, and the screen."""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

from tuimon.base import given
from tuimon.base.bounds import Bounds
from tuimon.base.errors import TuimonError
from tuimon.cli import passing
from tuimon.cli.terminals import has_screen, has_terminal, is_dumb
from tuimon.cli.trusting import with_trust
from tuimon.launcher.places.places import place_named
from tuimon.launcher.runs.runs import find_run, runs_dir
from tuimon.launcher.start.streams import Streams
from tuimon.search.study_file import is_study


def home(options: argparse.Namespace) -> int:
    """Opens the screen with all runs; on a dumb terminal, lists them."""
    if has_terminal() and is_dumb():
        from tuimon.cli.parser import parse
        from tuimon.cli.runs_list import ls

        return ls(parse(["ls", "--runs-dir", str(runs_dir(options.runs_dir))]))
    return _screen(options, None)


def run(options: argparse.Namespace) -> int:
    """Starts a run and watches it."""
    from tuimon.launcher.start.start import start, start_program
    from tuimon.launcher.start.trust import require_trust_in_program
    from tuimon.spec.loading import load_spec

    where = {"runs_dir": runs_dir(options.runs_dir), "name": options.name, "device": options.device}
    where["environment"] = _autopilot(options)
    where["place"] = place_named(options.on, options.memory)
    if options.program:
        with_trust(options, partial(require_trust_in_program, options.program))
        streams = _streams(options)
        return watch_own(options, start_program(options.program, streams=streams, trusted=True, **where), streams)
    if options.source is None:
        return _launch_screen(options)
    spec = load_spec(options.source, options.settings)
    started = with_trust(options, lambda trusted: start(spec, source=options.source, trusted=trusted, **where))
    return watch_own(options, started)


def _autopilot(options: argparse.Namespace) -> dict[str, str]:
    """The environment variable that switches it on in the training process."""
    return given.environment_of_autopilot(options.bounds or (Bounds() if options.autopilot else None))


def resume(options: argparse.Namespace) -> int:
    """Resumes a run that has ended, and watches it."""
    from tuimon.launcher.start.resume import resume_run

    found = find_run(options.run, runs_dir(options.runs_dir))
    place = place_named(options.on, options.memory)
    return watch_own(options, with_trust(options, partial(resume_run, found, options.device, options.settings, place=place)))


def replay(options: argparse.Namespace) -> int:
    """Trains a run again with the same changes at the same steps, and watches it."""
    from tuimon.launcher.start.replay import replay

    directory = runs_dir(options.runs_dir)
    where = {"runs_dir": directory, "name": options.name, "device": options.device}
    where["place"] = place_named(options.on, options.memory)
    found = find_run(options.run, directory)
    return watch_own(options, with_trust(options, lambda trusted: replay(found, options.settings, trusted=trusted, **where)))


def attach(options: argparse.Namespace) -> int:
    """Watches a live or finished run; shows a study's page."""
    study = runs_dir(options.runs_dir) / options.run
    if is_study(study) and not _headless(options):
        return _screen(options, None, study=study)
    found = find_run(options.run, runs_dir(options.runs_dir))
    if _headless(options):
        return _print(options, found, owned=False)
    return _screen(options, found)


def watch_own(options: argparse.Namespace, started: Path, streams: Streams | None = None) -> int:
    """Watches a run that this command has started, on a screen or without one; returns its exit code."""
    if options.detach:
        print(started.name)
        return 0
    if _headless(options):
        return _print(options, started, owned=True, streams=streams)
    _screen(options, started)
    return _exit_code(started)


def _exit_code(run: Path) -> int:
    """The exit code of a run after its screen was closed; 0 while it is still running."""
    from tuimon.launcher.runs.glance import judge
    from tuimon.launcher.runs.status import exit_code

    life, status = judge(run)
    return exit_code(status, life.exited)


def _streams(options: argparse.Namespace) -> Streams:
    """A program's standard streams are ours, where nothing else needs them."""
    if options.detach or not _headless(options):
        return Streams()
    return Streams(passing.readable_stdin(), followed=True, apart=not options.json and not passing.is_same(1, 2))


def _headless(options: argparse.Namespace) -> bool:
    return options.headless or options.json or not has_screen()


def _print(options: argparse.Namespace, found: Path, owned: bool, streams: Streams | None = None) -> int:
    from tuimon.cli.headless import follow

    quiet = getattr(options, "quiet", False)
    output = streams.sources if streams else ()
    return follow(found, json_lines=options.json, owned=owned, quiet=quiet, output=output, ascii=options.ascii)


def _screen(options: argparse.Namespace, found: Path | None, launch: bool = False, study: Path | None = None) -> int:
    if not has_screen():
        what = (
            "The screen needs a terminal that can move its cursor: TERM is dumb."
            if is_dumb()
            else "The screen needs a terminal."
        )
        raise TuimonError(what, "Try `tuimon ls`, or `tuimon attach RUN --headless`.")
    from tuimon.viewer.start import show

    directory = found.parent if found else runs_dir(options.runs_dir)
    show(directory, open_run=found, launch=launch, study=study, ascii=options.ascii)
    return 0


def _launch_screen(options: argparse.Namespace) -> int:
    if options.headless or options.json or options.detach or not has_screen():
        raise TuimonError("Name a preset, a spec file or a script to train.", "`tuimon presets` lists the presets.")
    return _screen(options, None, launch=True)
