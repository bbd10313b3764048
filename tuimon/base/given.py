"""The folder that a launcher made for a program's first run, known to all of the program's processes.

The environment names the folder; a token in it is taken by the first process that trains. What is told about the program while
nobody has taken the folder is kept in the token. Any process, any thread.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from tuimon.base.bounds import Bounds

FOLDER = "TUIMON_RUN_FOLDER"  # the environment's variable
INBOX = "TUIMON_INBOX"  # set where a run has to look for commands in its folder, too
AUTOPILOT = "TUIMON_AUTOPILOT"  # likewise: its bounds, where it is on
TOKEN = ".unwatched"  # in the folder, until a process takes it
_LOCAL_RANK = "LOCAL_RANK"  # by which torchrun and similar launchers number the processes of a machine
WHY, END = "why", "end"  # what the token's lines begin with: `why TEXT`, `end PID TEXT`
_MOST_BYTES = 1 << 16


class Told(NamedTuple):
    """What a program has told while no process of it was watched."""

    why: str  # nothing was; empty where that is not known
    ends: dict[int, str]  # the exceptions that ended processes, by pid


def environment_for(folder: Path) -> dict[str, str]:
    """The environment variables that make a program's first training process use a folder with a token in it."""
    return {FOLDER: str(folder.absolute())}


def take() -> Path | None:
    """Takes the folder that was given to this program. The first process that asks gets it, all others get None.

    Of several processes that train one model together, only the first on its machine can get it.
    """
    folder = given()
    if folder is None or is_a_later_rank():
        return None
    try:
        (folder / TOKEN).unlink()
    except OSError:
        return None
    return folder


def environment_of_autopilot(bounds: Bounds | None) -> dict[str, str]:
    """The environment variables that switch the autopilot on in a training process; none without bounds."""
    return {AUTOPILOT: str(bounds)} if bounds else {}


def autopilot(environment: Mapping[str, str] = os.environ) -> str | bool:
    """The bounds of the autopilot that the launcher has switched on, as text; False if it has not."""
    return environment.get(AUTOPILOT) or False


def put_back(folder: Path, why: str) -> None:
    """Undoes `take` for a training that could not be watched, and says why."""
    with contextlib.suppress(OSError):
        (folder / TOKEN).write_text(f"{WHY} {' '.join(why.splitlines())}\n", encoding="utf-8", errors="replace")


def given(environment: Mapping[str, str] = os.environ) -> Path | None:
    """The folder that was given to this program, taken or not; None if no launcher started the program."""
    folder = environment.get(FOLDER)
    return Path(folder) if folder else None


def is_a_later_rank(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process trains together with another one on this machine that has a lower rank."""
    return environment.get(_LOCAL_RANK, "0") != "0"


def untaken(folder: Path) -> Told | None:
    """What the program has written while nobody took the folder; None if a process has taken it."""
    try:
        with open(folder / TOKEN, encoding="utf-8", errors="replace") as token:
            lines = [line.partition(" ") for line in token.read(_MOST_BYTES).splitlines()]
    except OSError:
        return None
    why = next((text for kind, _, text in lines if kind == WHY), "")
    ends = (text.partition(" ") for kind, _, text in lines if kind == END)
    return Told(why, {int(pid): how for pid, _, how in ends if pid.isdecimal()})


def withdraw(folder: Path) -> Told | None:
    """Returns what `untaken` does, and removes the token; for a program that has ended."""
    told = untaken(folder)
    with contextlib.suppress(OSError):
        (folder / TOKEN).unlink()
    return told
