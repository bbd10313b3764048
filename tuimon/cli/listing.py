"""Verbs that list or print: `presets`, `dump`, `doctor`, `schema`, `completion`."""

from __future__ import annotations

import argparse
import shutil
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from tuimon.cli.tables import print_lines, print_names
from tuimon.launcher.runs.runs import find_run, runs_dir

if TYPE_CHECKING:
    from tuimon.launcher.runs.lines import JsonLine
    from tuimon.spec.presets import PresetInfo


def presets(options: argparse.Namespace) -> int:
    """Lists presets by group, starting with the default preset's group."""
    from tuimon.spec.presets import presets as all_presets

    found = all_presets()
    if options.preset:
        return _show_preset(options.preset, found, options.json)
    if options.names:
        return print_names(preset.name for preset in found)
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


def _preset_line(preset: PresetInfo) -> JsonLine:
    from tuimon.launcher.runs.lines import PresetLine

    path = str(preset.path)
    return PresetLine(preset=preset.name, title=preset.title, group=preset.group, text=preset.text, path=path)
