"""Verbs that steer a live run: `set` and `stop`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.launcher.runs.runs import find_run, runs_dir
from tuimon.launcher.steering import client
from tuimon.launcher.steering.commands import describe, parse_setting, value_text
from tuimon.launcher.steering.stop import stop as stop_run
from tuimon.launcher.steering.waiting import wait_for_training
from tuimon.log.records import Refused


def set_levers(options: argparse.Namespace) -> int:
    """Sets levers, one after the other, once the training has begun; returns 1 if any was refused."""
    commands = [parse_setting(setting) for setting in options.settings]
    run = find_run(options.run, runs_dir(options.runs_dir))
    if not commands:
        levers = _levers(run) or "none yet, because training has not started"
        raise TuimonError("Name a lever to set, such as lr_scale=0.5.", f"Levers of {run.name}: {levers}.")
    wait_for_training(run, options.timeout, _say)
    code = 0
    for command in commands:
        answer = client.send(run, command)
        refused = isinstance(answer, Refused)
        print(describe(answer), file=sys.stderr if refused else sys.stdout, flush=True)
        code = 1 if refused else code
    return code


def stop(options: argparse.Namespace) -> int:
    """Stops a run and waits until its training has ended; fails if it goes on."""
    run = find_run(options.run, runs_dir(options.runs_dir))
    done = stop_run(run, options.now, options.timeout, _say)
    print(f"{run.name}: {done}")
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
