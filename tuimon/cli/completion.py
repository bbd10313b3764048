"""Shell completion, generated from the argument parser. Names of runs and presets are looked up when the user presses Tab."""

from __future__ import annotations

import argparse

from tuimon.cli.parser import build_parser

_NAMES = {"runs": "tuimon ls --names", "presets": "tuimon presets --names"}
_PREAMBLE = {
    "bash": """
_tuimon_runs() { compgen -W "latest $(tuimon ls --names 2>/dev/null)" -- "$1"; }
_tuimon_presets() { compgen -W "$(tuimon presets --names 2>/dev/null)" -- "$1"; compgen -f -X '!*.toml' -- "$1"; }
""",
    "zsh": """
_tuimon_runs() { compadd latest ${(f)"$(tuimon ls --names 2>/dev/null)"} }
_tuimon_presets() { compadd ${(f)"$(tuimon presets --names 2>/dev/null)"}; _files -g '*.toml' }
""",
    "tcsh": "",
}


def script(shell: str) -> str:
    """The completion script for `bash`, `zsh` or `tcsh`."""
    import shtab

    parser = build_parser()
    for action in _actions(parser):
        what = getattr(action, "complete", None)
        if what == "directories":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif what in _NAMES:
            action.complete = {  # type: ignore[attr-defined]
                "bash": f"_tuimon_{what}",
                "zsh": f"_tuimon_{what}",
                "tcsh": f"`{_NAMES[what]}`",
            }
    return str(shtab.complete(parser, shell, preamble=_PREAMBLE[shell]))


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                found += _actions(verb)
    return found
