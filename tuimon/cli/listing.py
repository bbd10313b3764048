"""Verbs that list or print: `ls`, `presets`, `dump`, `doctor`, `schema`, `completion`."""

from __future__ import annotations

import argparse
import shutil
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuimon.base import format
from tuimon.base.errors import in_one_line
from tuimon.base.plain import one_line
from tuimon.cli.tables import print_lines, print_table
from tuimon.launcher.runs.runs import check_runs_dir, find_run, list_runs, run_name, runs_dir
from tuimon.search.study_file import is_study

if TYPE_CHECKING:
    from tuimon.launcher.runs.lines import JsonLine
    from tuimon.launcher.runs.summary import RunSummary
    from tuimon.spec.presets import PresetInfo

_RUN_COLUMNS = ("RUN", "STATE", "STEP", "LOSS", "VAL", "SPEED", "DEVICE", "LAST RECORD", "DETAIL")
_LOOKED_AT = 32  # trials of a study
_DISPENSABLE = ("DEVICE", "SPEED", "DETAIL", "VAL")  # dropped in this order on a narrow terminal


def ls(options: argparse.Namespace) -> int:
    """Lists runs, newest first."""
    directory = runs_dir(options.runs_dir)
    check_runs_dir(directory)
    runs = list_runs(directory)
    if options.names:
        return _print_names(run_name(run, directory) for run in runs)
    from tuimon.launcher.runs.scan import Scan
    from tuimon.launcher.runs.summary import summarize

    scan = Scan()
    if options.json:
        return print_lines(_line(summarize(run, run_name(run, directory), scan)) for run in runs)
    if not runs:
        print(f"No runs in {directory}. Start one with `tuimon run`.", file=sys.stderr)
        return 0
    parts = {run: [run] for run in runs} if options.trials else folded(runs, directory)
    looked_at = {
        key: [summarize(run, run_name(run, directory), scan) for run in part[:_LOOKED_AT]] for key, part in parts.items()
    }
    listed = [run for part in looked_at.values() for run in part]
    rows = [
        _row(looked_at[key][0]) if key == part[0] else _study_row(run_name(key, directory), looked_at[key], len(part))
        for key, part in parts.items()
    ]
    code = print_table([_RUN_COLUMNS, *rows], _DISPENSABLE, elastic="DETAIL")
    sys.stdout.flush()
    for run in listed:
        for damage in run.damage:
            print(one_line(f"! {run.name}: {damage}"), file=sys.stderr)
    return code


def folded(runs: Sequence[Path], directory: Path) -> dict[Path, list[Path]]:
    """The runs in their order, the trials of a study together under its folder, at the place of the first of them."""
    parts: dict[Path, list[Path]] = {}
    studies: dict[Path, bool] = {}
    for run in runs:
        folder = run.parent
        if folder != directory and studies.setdefault(folder, is_study(folder)):
            parts.setdefault(folder, []).append(run)
        else:
            parts[run] = [run]
    return parts


def _study_row(name: str, newest: Sequence[RunSummary], trials: int) -> Sequence[str]:
    """A study's row; `newest` are its latest trials, among which are those that are live."""
    live = sum(run.status.live for run in newest)
    state = f"{live} live" if live else "study"
    hint = f"tuimon search {name} --show"
    return (name, state, f"{format.count(trials)} trials", "", "", "", newest[0].device, _ago(newest[0].last_wall), hint)


def presets(options: argparse.Namespace) -> int:
    """Lists presets by group, starting with the default preset's group."""
    from tuimon.spec.presets import presets as all_presets

    found = all_presets()
    if options.preset:
        return _show_preset(options.preset, found, options.json)
    if options.names:
        return _print_names(preset.name for preset in found)
    if options.json:
        return print_lines(map(_preset_line, found))
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


def _show_preset(name: str, known: Sequence[PresetInfo], as_json: bool) -> int:
    """Prints one preset: what it shows, and its spec."""
    from tuimon.base.errors import TuimonError
    from tuimon.base.nearest import did_you_mean

    found = next((preset for preset in known if preset.name == name), None)
    if found is None:
        near = did_you_mean(name, [preset.name for preset in known])
        raise TuimonError(f"No preset {name!r}{near}.", "`tuimon presets` lists them.")
    if as_json:
        return print_lines([_preset_line(found)])
    width = min(100, shutil.get_terminal_size().columns)
    print(f"{found.name}: {found.title}")
    for line in found.text:
        print(textwrap.fill(line, width))
    spec = found.path.read_text(encoding="utf-8")
    settings = spec[spec.find("\n[") :].strip() if "\n[" in spec else spec.strip()  # title and text are said already
    print(f"\n{settings}\n\ntuimon run {found.name}    # from {found.path}")
    return 0


def dump(options: argparse.Namespace) -> int:
    """Prints a log as text or as JSON lines."""
    from tuimon.cli.dump import dump as print_log
    from tuimon.cli.tagged import pattern

    run = find_run(options.run, runs_dir(options.runs_dir))
    return print_log(run, options.json, pattern(options.tag), in_full=options.events)


def doctor(options: argparse.Namespace) -> int:
    """Checks this machine; returns 1 if there is a problem."""
    from tuimon.cli.doctor import examine, report

    return report(examine(runs_dir(options.runs_dir)))


def schema(_options: argparse.Namespace) -> int:
    """Prints the JSON Schema of the lines that `--json` prints."""
    import msgspec

    from tuimon.launcher.runs.lines import json_schema

    print(msgspec.json.format(msgspec.json.encode(json_schema())).decode())
    return 0


def completion(options: argparse.Namespace) -> int:
    """Prints the completion script of a shell."""
    from tuimon.cli.completion import script

    print(script(options.shell))
    return 0


def _row(run: RunSummary) -> Sequence[str]:
    try:
        return _cells(run)
    except Exception as error:  # of this run alone: the others are listed
        return (run.name, "unknown", "", "", "", "", "", "", in_one_line(error))


def _cells(run: RunSummary) -> Sequence[str]:
    total = f"/{format.count(run.total_steps)}" if run.total_steps else ""
    speed = format.rate(run.steps_per_second) if run.status.live else ""
    return (
        run.name,
        f"{run.status.state} !" if run.damage else run.status.state,
        f"{format.count(run.step)}{total}",
        _metric(run.loss),
        _metric(run.val_loss),
        speed,
        run.device,
        _ago(run.last_wall),
        run.status.detail,
    )


def _metric(value: float | None) -> str:
    return "" if value is None else format.number(value)


def _ago(wall: float) -> str:
    if wall != wall:
        return ""
    age = format.age(max(0.0, time.time() - wall))
    return age if age == "now" else f"{age} ago"


def _line(run: RunSummary) -> JsonLine:
    from tuimon.launcher.runs.lines import DamageOf, RunLine

    names = run.__dataclass_fields__.keys() & set(RunLine.__struct_fields__) - {"path", "damage"}
    damage = tuple(DamageOf(**damage._asdict() | {"path": str(damage.path)}) for damage in run.damage)
    told: dict[str, Any] = {name: getattr(run, name) for name in names}
    status = run.status
    return RunLine(run=run.name, path=str(run.path), state=status.state, detail=status.detail, damage=damage, **told)


def _preset_line(preset: PresetInfo) -> JsonLine:
    from tuimon.launcher.runs.lines import PresetLine

    path = str(preset.path)
    return PresetLine(preset=preset.name, title=preset.title, group=preset.group, text=preset.text, path=path)


def _print_names(names: Any) -> int:
    for name in names:
        print(one_line(name))
    return 0
