"""Shell completion, generated from the argument parser. Names of runs and presets are looked up when the user presses Tab."""

from __future__ import annotations

import argparse

from tuimon.cli import fish
from tuimon.cli.verbs import build_parser

# Names of runs are names of folders, which anybody may have made: no shell must take one for more than a word. In bash, a
# function with `_file` in its name has its words quoted as those of files are.
_COMPLETERS = {
    "runs": {"bash": "_tuimon_runs", "zsh": "_tuimon_runs", "tcsh": "`tuimon ls --names`"},
    "presets": {"bash": "_tuimon_preset_files", "zsh": "_tuimon_presets", "tcsh": "`tuimon presets --names`"},
}
_PREAMBLE = {
    "bash": """
_tuimon_runs() {
  local name
  while IFS= read -r name; do [[ "$name" == "$1"* ]] && printf '%q\\n' "$name"; done < <(
    echo latest; tuimon ls --names 2>/dev/null)
}
_tuimon_preset_files() { compgen -W "$(tuimon presets --names 2>/dev/null)" -- "$1"; compgen -f -X '!*.toml' -- "$1"; }
""",
    "zsh": """
_tuimon_runs() { compadd latest ${(f)"$(tuimon ls --names 2>/dev/null)"} }
_tuimon_presets() { compadd ${(f)"$(tuimon presets --names 2>/dev/null)"}; _files -g '*.toml' }
""",
    "tcsh": "",
}


def script(shell: str) -> str:
    """The completion script for `bash`, `zsh`, `fish` or `tcsh`."""
    import shtab

    parser = build_parser()
    if shell == "fish":
        return fish.script(parser)
    for action in _actions(parser):
        what = getattr(action, "complete", None)
        if what == "directories":
            action.complete = shtab.DIRECTORY  # type: ignore[attr-defined]
        elif what in _COMPLETERS:
            action.complete = _COMPLETERS[what]  # type: ignore[attr-defined]
    return str(shtab.complete(parser, shell, preamble=_PREAMBLE[shell]))


def _actions(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    found = list(parser._actions)
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb in action.choices.values():
                found += _actions(verb)
    return found
