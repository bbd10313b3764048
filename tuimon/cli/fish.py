"""The completion script for fish, from the argument parser: shtab, which writes those of the other shells, knows no fish."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

_RUNS = "(printf '%s\\n' latest; tuimon ls --names 2>/dev/null)"
_PRESETS = "(tuimon presets --names 2>/dev/null)"
_WORDS = {
    "runs": (_RUNS,),
    "presets": (_PRESETS, "(__fish_complete_suffix .toml)"),
    "directories": ("(__fish_complete_directories)",),
}


def script(parser: argparse.ArgumentParser) -> str:
    """Lines of `complete`, one for each verb, option and argument."""
    return "\n".join(["complete -c tuimon -f", *_lines(parser)])


def _lines(parser: argparse.ArgumentParser) -> Iterator[str]:
    yield from _of(parser, "__fish_use_subcommand")
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help or "" for choice in action._choices_actions}
            for name, verb in action.choices.items():
                yield _line("__fish_use_subcommand", f"-a {name}", helps.get(name, ""))
                yield from _of(verb, f"__fish_seen_subcommand_from {name}")


def _of(parser: argparse.ArgumentParser, condition: str) -> Iterator[str]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction) or action.help == argparse.SUPPRESS:
            continue
        words = [str(choice) for choice in action.choices or ()]
        values = [*([" ".join(words)] if words else []), *_WORDS.get(getattr(action, "complete", ""), ())]
        if not action.option_strings:
            for value in values:
                yield _line(condition, f"-a {_quoted(value)}", "")
            continue
        flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in action.option_strings)
        if action.nargs != 0:  # it has a value: one of these, or any file
            flags += "".join(f" -a {_quoted(value)}" for value in values[:1]) + (" -x" if values else " -r -F")
        yield _line(condition, flags, (action.help or "") % {"default": action.default, "prog": parser.prog})


def _line(condition: str, what: str, text: str) -> str:
    described = f" -d {_quoted(text)}" if text else ""
    return f"complete -c tuimon -n {_quoted(condition)} {what}{described}"


def _quoted(text: str) -> str:
    """In single quotes, as fish reads them."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
