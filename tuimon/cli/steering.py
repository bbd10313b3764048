"""Verbs that steer a live run: `set` and `stop`."""

from __future__ import annotations

import argparse
import fnmatch
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.launcher.runs.runs import find_run, list_runs, run_name, runs_dir
from tuimon.launcher.runs.summary import summarize
from tuimon.launcher.steering import client
from tuimon.launcher.steering.commands import describe, parse_setting, value_text
from tuimon.launcher.steering.stop import stop as stop_run
from tuimon.launcher.steering.waiting import wait_for_training
from tuimon.log.records import Applied, Refused

T = TypeVar("T")

_AT_ONCE = 16  # runs that are asked at the same time


def set_levers(options: argparse.Namespace) -> int:
    """Sets levers, one after the other, once the training has begun; of several runs, of all at once.

    Returns:
        1 if any was refused, or a run could not be asked.
    """
    commands = [parse_setting(setting) for setting in options.settings]
    directory = runs_dir(options.runs_dir)
    if is_glob(options.run, directory):
        return _set_in_each(live_runs(options.run, directory), options.settings, options.timeout, directory)
    run = find_run(options.run, directory)
    if not commands:
        levers = _levers(run) or "none yet, because training has not started"
        raise TuimonError("Name a lever to set, such as lr_scale=0.5.", f"Levers of {run.name}: {levers}.")
    wait_for_training(run, options.timeout, _say)
    return max([_tell(client.send(run, command), "") for command in commands])


def _tell(answer: Applied | Refused, run: str) -> int:
    """Prints a run's answer, under its name if there are several runs; returns 1 if it refused."""
    refused = isinstance(answer, Refused)
    print(f"{run}{describe(answer)}", file=sys.stderr if refused else sys.stdout, flush=True)
    return int(refused)


def _set_in_each(runs: Sequence[Path], settings: Sequence[str], timeout: float, directory: Path) -> int:
    if not settings:
        names = ", ".join(one_line(run_name(run, directory)) for run in runs)
        raise TuimonError("Name a lever to set, such as lr_scale=0.5.", f"Runs that are meant: {names}.")

    def ask(run: Path) -> list[Applied | Refused]:
        wait_for_training(run, timeout, _say)
        return [client.send(run, parse_setting(setting)) for setting in settings]

    def tell(name: str, answers: list[Applied | Refused]) -> int:
        return max(_tell(answer, f"{name}: ") for answer in answers)

    return _each(runs, ask, tell, directory)


def _each(runs: Sequence[Path], ask: Callable[[Path], T], tell: Callable[[str, T], int], directory: Path) -> int:
    """Asks all runs at once, for some may be slow, and tells their answers in the order of the runs.

    Args:
        runs: at least one.
        ask: raises TuimonError if the run does not do it, which is printed.
        tell: gets the run's name and its answer; returns an exit code.
        directory: the folder of runs, from which they are named.

    Returns:
        The highest exit code.
    """

    def told(run: Path, answered: Future[T]) -> int:
        name = one_line(run_name(run, directory))
        try:
            return tell(name, answered.result())
        except TuimonError as error:
            print(f"{name}: {one_line(str(error))}", file=sys.stderr, flush=True)
            return 1

    with ThreadPoolExecutor(min(len(runs), _AT_ONCE)) as pool:
        answers = [pool.submit(ask, run) for run in runs]
        return max([told(run, answered) for run, answered in zip(runs, answers, strict=True)])


def is_glob(text: str, directory: Path) -> bool:
    """Whether a word means all live runs whose names fit it; a run that is called so itself comes first."""
    return any(letter in text for letter in "*?[") and not (directory / text).exists() and not Path(text).exists()


def live_runs(pattern: str, directory: Path) -> list[Path]:
    """The live runs whose names fit.

    Raises:
        TuimonError: there is none.
    """
    fitting = [run for run in list_runs(directory) if fnmatch.fnmatchcase(run_name(run, directory), pattern)]
    found = [run for run in fitting if summarize(run).status.live]
    if not found:
        what = f"none of the {len(fitting)} runs that fit is live" if fitting else "no run fits"
        raise TuimonError(f"{pattern}: {what}.", "`tuimon ls state:running` lists the runs that train.")
    return found


def stop(options: argparse.Namespace) -> int:
    """Stops a run and waits until its training has ended; of several runs, all at once.

    Returns:
        1 if one of several goes on.

    Raises:
        TuimonError: the only one goes on.
    """
    directory = runs_dir(options.runs_dir)
    if is_glob(options.run, directory):
        return _stop_each(live_runs(options.run, directory), options, directory)
    run = find_run(options.run, directory)
    return _stopped(run.name, stop_run(run, options.now, options.timeout, _say))


def _stop_each(runs: Sequence[Path], options: argparse.Namespace, directory: Path) -> int:
    return _each(runs, lambda run: stop_run(run, options.now, options.timeout, _say), _stopped, directory)


def _stopped(name: str, done: str) -> int:
    print(f"{name}: {done}", flush=True)
    return 0


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _levers(run: Path) -> str:
    """All levers and their current values, for a message. Reads the whole log."""
    from tuimon.log.reader import read_run

    return ", ".join(
        lever.name if lever.type == "action" else f"{lever.name} ({value_text(lever.value, lever.enabled)})"
        for lever in read_run(run).levers.values()
    )
