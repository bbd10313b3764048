"""Verbs that print what there is."""

from __future__ import annotations

import argparse
import math
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from tuimon import format
from tuimon.launcher.runs import check_runs_dir, find_run, list_runs, runs_dir
from tuimon.plain import one_line

if TYPE_CHECKING:
    from tuimon.launcher.summary import RunSummary

_GAP = "  "
_RUN_COLUMNS = ("RUN", "STATE", "STEP", "LOSS", "VAL", "SPEED", "DEVICE", "LAST RECORD")
_DISPENSABLE = ("DEVICE", "SPEED", "VAL")  # on a terminal that is too narrow for all; the first to go comes first


def ls(options: argparse.Namespace) -> int:
    """Lists runs, the newest first."""
    directory = runs_dir(options.runs_dir)
    check_runs_dir(directory)
    runs = list_runs(directory)
    if options.names:
        return _print_names(run.name for run in runs)
    from tuimon.launcher.summary import summarize

    summaries = [summarize(run) for run in runs]
    if options.json:
        return print_json([_plain(summary) for summary in summaries])
    if not summaries:
        print(f"No runs in {directory}. Start one with `tuimon run`.", file=sys.stderr)
        return 0
    return print_table([_RUN_COLUMNS, *map(_row, summaries)], _DISPENSABLE)


def presets(options: argparse.Namespace) -> int:
    """Lists presets by group, the default one's first."""
    from tuimon.spec import presets as all_presets

    found = all_presets()
    if options.names:
        return _print_names(preset.name for preset in found)
    if options.json:
        return print_json([msgspec.structs.asdict(preset) | {"path": str(preset.path)} for preset in found])
    width = min(100, shutil.get_terminal_size().columns)
    for group in dict.fromkeys(preset.group for preset in found):
        print(f"--- {group or 'others'}\n")
        for preset in found:
            if preset.group == group:
                print(f"{preset.name}\n    {preset.title}")
                for line in preset.text:
                    print(textwrap.fill(line, width, initial_indent="    ", subsequent_indent="      "))
        print()
    return 0


def dump(options: argparse.Namespace) -> int:
    """Prints a log as text."""
    from tuimon.dump import dump as print_log

    return print_log(find_run(options.run, runs_dir(options.runs_dir)), json_lines=options.json)


def doctor(options: argparse.Namespace) -> int:
    """Looks for problems; 1 if there is one."""
    from tuimon.doctor import examine, report

    return report(examine(runs_dir(options.runs_dir)))


def completion(options: argparse.Namespace) -> int:
    """Prints a shell's completion."""
    from tuimon.commands.completion import script

    print(script(options.shell))
    return 0


def _row(run: RunSummary) -> Sequence[str]:
    total = f"/{format.count(run.total_steps)}" if run.total_steps else ""
    speed = format.rate(run.steps_per_second) if run.status.live else ""
    return (
        run.name,
        run.status.state,
        f"{format.count(run.step)}{total}",
        _metric(run.loss_train),
        _metric(run.loss_val),
        speed,
        run.device,
        _ago(run.last_wall),
    )


def _metric(value: float | None) -> str:
    return "" if value is None else format.number(value)


def _ago(wall: float) -> str:
    if wall != wall:
        return ""
    age = format.age(max(0.0, time.time() - wall))
    return age if age == "now" else f"{age} ago"


def _plain(run: RunSummary) -> dict[str, Any]:
    names = [name for name in run.__dataclass_fields__ if name not in ("path", "status")]
    return {name: getattr(run, name) for name in names} | {
        "path": str(run.path),
        "state": run.status.state,
        "detail": run.status.detail,
    }


def _print_names(names: Any) -> int:
    for name in names:
        print(name)
    return 0


def print_json(value: Any) -> int:
    """Prints a value as indented JSON; NaN is null."""
    print(msgspec.json.format(msgspec.json.encode(value)).decode())
    return 0


def print_table(rows: Sequence[Sequence[str]], dispensable: Sequence[str] = ()) -> int:
    """Prints rows, the first being titles, in columns; on a terminal without those `dispensable` ones that do not fit."""
    from tuimon.viewer.draw.rows import cells  # only here: names alone, for a shell's completion, need no numpy

    rows = [[one_line(text) for text in row] for row in rows]
    columns = [(max(map(cells, column)), column) for column in zip(*rows, strict=True)]
    room = os.get_terminal_size(sys.stdout.fileno()).columns or math.inf if sys.stdout.isatty() else math.inf
    for title in dispensable:
        if sum(width + len(_GAP) for width, _ in columns) - len(_GAP) > room:
            columns = [(width, column) for width, column in columns if column[0] != title]
    for row in zip(*([text + " " * (width - cells(text)) for text in column] for width, column in columns), strict=True):
        print(_GAP.join(row).rstrip())
    return 0
