"""The entry point of the command line: calls one function for each verb.

Each verb imports what it needs when it is called, so that `tuimon ls` starts quickly. Errors are one line on stderr, never a
traceback. Exit codes: 0 success, 1 error, 2 wrong usage, 130 after Ctrl-C; of verbs that start or watch a run, the run's own as
soon as it has ended (`exit_code` of `tuimon.launcher.runs.status`), and of `compare`, the first of its runs' that is not 0.
"""

from __future__ import annotations

import argparse
import errno
import importlib
import io
import os
import sys
from collections.abc import Callable, Sequence

from tuimon.base.errors import TuimonError, in_one_line
from tuimon.base.plain import one_line
from tuimon.cli.elsewhere import call_there, is_elsewhere
from tuimon.cli.parser import parse

STOPPED = 130
_PIPE_BROKEN = 141  # what a shell reports for a program that SIGPIPE ended
Verb = Callable[[argparse.Namespace], int]


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    _open_closed_streams()
    _never_fail_to_print()
    arguments = sys.argv[1:] if arguments is None else arguments
    options = parse(arguments)
    try:
        if "@" in getattr(options, "on", "") and is_elsewhere(options.on):
            return call_there(options, arguments)
        code = _verb(options.verb)(options)
        sys.stdout.flush()
        return code
    except TuimonError as error:
        print("tuimon:", "\n".join(map(one_line, str(error).split("\n"))), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return STOPPED
    except OSError as error:
        _silence_stdout()  # otherwise Python tries to write again at exit
        if error.errno in (errno.EPIPE, errno.EIO):  # nobody reads our output any more
            return _PIPE_BROKEN
        print(f"tuimon: {error.filename or 'Cannot write the output'}: {error.strerror or error}", file=sys.stderr)
        return 1
    except Exception as error:
        print(f"tuimon: {options.verb} failed: {one_line(in_one_line(error))}", file=sys.stderr)
        return 1


_VERBS_OF = {
    "running": "home run resume replay attach",
    "comparing": "compare",
    "forking": "fork",
    "searching": "search",
    "steering": "set stop",
    "queueing": "queue",
    "checking": "check",
    "plotting": "plot",
    "exporting": "export",
    "reporting": "report",
    "diagnosing": "diagnose",
    "configuring": "config",
    "runs_list": "ls",
    "keeping": "mv rm note tag",
    "learning": "learn",
    "looking": "look",
    "listing": "presets dump doctor schema completion",
}
_HOMES = {verb: module for module, verbs in _VERBS_OF.items() for verb in verbs.split()}


def _verb(name: str) -> Verb:
    """The function of a verb; imports only its module."""
    module = importlib.import_module(f"tuimon.cli.{_HOMES[name]}")
    found: Verb = getattr(module, "set_levers" if name == "set" else name)
    return found


def _open_closed_streams() -> None:
    """Opens /dev/null for each closed standard stream: otherwise the next file opened would get its number and its text."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode))  # noqa: SIM115


def _never_fail_to_print() -> None:
    """Prints question marks for characters that the terminal or pipe cannot encode."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def _silence_stdout() -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
