"""Parses a command line. What the verbs and their options are stands in `verbs`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from tuimon.cli.verbs import build_parser


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Parses a command line; exits with 2 on wrong usage. Settings, runs and tags may come before, between and after options.

    A user's own program and everything after it are in `program` of the result; tuimon's options come before it.
    """
    parser = build_parser()
    program = _program_in(parser, arguments)
    options, extra = parser.parse_known_args(arguments[: len(arguments) - len(program)])
    takes_settings = hasattr(options, "settings")
    words = options.settings if takes_settings else getattr(options, "words", None)
    if extra and (words is None or any(word.startswith("-") for word in extra)):
        hint = "; write a setting as key=value, without dashes" if takes_settings else ""
        parser.error(f"unknown arguments: {' '.join(extra)}{hint}")
    if extra and words is not None:
        words += extra
    options.program = list(program)
    return options


def _program_in(parser: argparse.ArgumentParser, arguments: Sequence[str]) -> Sequence[str]:
    """The words of a user's own program in `run WORDS…`; empty if a spec is run, or another verb is called."""
    verb = _first_word(parser, arguments, 0)
    if verb is None or arguments[verb] not in ("run", "search"):
        return ()
    source = _first_word(_verbs_of(parser)[arguments[verb]], arguments, verb + 1)
    if source is None:
        return ()
    from tuimon.launcher.start.program import is_spec, may_be_program  # not for every verb: it takes time

    if is_spec(arguments[source]) or (arguments[verb] == "search" and not may_be_program(arguments[source])):
        return ()  # `search` also takes the name of a study
    return arguments[source:]


def _first_word(parser: argparse.ArgumentParser, arguments: Sequence[str], start: int) -> int | None:
    """Index of the first argument from `start` on that is neither an option of this parser nor an option's value."""
    skip = False
    for index in range(start, len(arguments)):
        word = arguments[index]
        if skip:
            skip = False
        elif not word.startswith("-") or word[:2] in ("-m", "-c"):
            return index
        else:
            skip = "=" not in word and _takes_a_value(parser, word)
    return None


def _takes_a_value(parser: argparse.ArgumentParser, option: str) -> bool:
    """Whether an option, or one that it is short for, is followed by its value."""
    actions = parser._option_string_actions
    fitting = [actions[option]] if option in actions else [actions[name] for name in actions if name.startswith(option)]
    return any(action.nargs is None for action in fitting)


def _verbs_of(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    verbs = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction))
    return verbs.choices
