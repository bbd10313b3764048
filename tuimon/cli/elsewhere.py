"""`--on user@host`: calls the same verb on another machine, over OpenSSH, as if it had been typed there.

Runs, files and devices are those of that machine; so are the screen and what is printed. Nothing of it is copied.
"""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence

from tuimon.base.errors import TuimonError

# a host never begins with a dash: ssh would take it for an option
_HOST = re.compile(r"(?P<host>[A-Za-z0-9_][\w.+-]*@[A-Za-z0-9_][\w.-]*)(?::(?P<folder>.+))?")
_SSH_FAILED, _NOT_FOUND = 255, 127


def is_elsewhere(on: str) -> bool:
    """Whether a place is another machine: `user@host` or `user@host:FOLDER`."""
    return _HOST.fullmatch(on) is not None


def call_there(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """Calls the verb there and returns its exit code; 255 if there is no connection, which ssh has said.

    Args:
        options: the parsed command line.
        arguments: its words.

    Raises:
        TuimonError: it cannot be called there.
    """
    found = _HOST.fullmatch(options.on)
    assert found
    if shutil.which("ssh") is None:
        raise TuimonError(f"Cannot train on {found['host']}: there is no ssh here.", "Install the OpenSSH client.")
    head = arguments[: len(arguments) - len(options.program)]
    words = ["tuimon", *_without_on(head), *options.program]
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    code = subprocess.call(["ssh", "-t" if terminal else "-T", "--", found["host"], command(words, found["folder"])])
    if code == _SSH_FAILED:
        print(f"tuimon: no connection to {found['host']}, or it broke; runs that have begun there go on", file=sys.stderr)
    if code == _NOT_FOUND:
        print(f"tuimon: is tuimon on the PATH there? Try: ssh {found['host']} tuimon --version", file=sys.stderr)
    return code


def command(words: Sequence[str], folder: str | None) -> str:
    """The shell command that calls tuimon in a folder; None: in the one in which a login starts."""
    there = "" if folder is None else f"cd {_from_home(folder)} && "
    return f"{there}exec {shlex.join(words)}"


def _from_home(folder: str) -> str:
    """A folder in quotes, but for a `~` at its beginning."""
    if folder == "~" or folder.startswith("~/"):
        return "~" + (f"/{shlex.quote(folder[2:])}" if folder[2:] else "")
    return shlex.quote(folder)


def _without_on(head: Sequence[str]) -> list[str]:
    """Our own words without `--on`: the other machine is to train, and not to pass it on."""
    kept: list[str] = []
    words = iter(head)
    dropped = False
    for word in words:
        if word == "--on":
            next(words, None)
        elif not word.startswith("--on="):
            kept.append(word)
            continue
        dropped = True
    if not dropped:
        raise TuimonError("Write --on in full to train on another machine.")
    return kept
