"""Which programs of the user's can be started, and the command that starts each as a shell would.

A script, `-m MODULE` and `-c CODE` are passed to Python unchanged; any other program is started directly: a console script, a
shell script, a launcher such as torchrun. Never imports torch or any of the user's code.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean
from tuimon.log.records import Launched
from tuimon.spec import SPEC_FILE
from tuimon.spec.presets import preset_paths

_PYTHON_SUFFIXES = (".py", ".pyw", ".pyc", ".pyz")
_HEAD_BYTES = 1024
_OLD_RUNNER = (
    "-P",
    "-m",
    "tuimon.monitor.script.script",
)  # in logs of version 0.1, before the run's folder


class Program(NamedTuple):
    """A program of the user's.

    Attributes:
        command: starts it.
        file: its source, relative to where it runs; None if it is not one file.
        name: the name of its runs.
    """

    command: tuple[str, ...]
    file: Path | None
    name: str


def is_spec(source: str) -> bool:
    """Whether `source` is a spec and not a program: a preset's name, a .toml file, or the folder of a run with a spec."""
    return source in preset_paths() or source.endswith(".toml") or os.path.isfile(os.path.join(_expanded(source), SPEC_FILE))


def may_be_program(source: str) -> bool:
    """Whether a word can name a program: an option such as -m, a file, or a command on PATH."""
    path = _expanded(source)
    return source.startswith("-") or path.endswith(_PYTHON_SUFFIXES) or os.path.isfile(path) or bool(_on_path(source))


def program_of(words: Sequence[str], cwd: Path | None = None) -> Program:
    """Returns the program for `words`, written as after `python` or in a shell.

    Args:
        words: `-m MODULE`, `-c CODE`, a Python file, a folder or archive with `__main__.py`, or any program: a path, or a
            name that is looked up next to this Python and on PATH. The program's arguments follow.
        cwd: where it runs; None: here.

    Raises:
        TuimonError: there is no such file or program.
    """
    flag, rest = words[0][:2], words[1:]
    if flag in ("-m", "-c"):
        value = words[0][2:] or next(iter(rest), "")
        if not value:
            raise TuimonError(f"{flag} needs {'a module' if flag == '-m' else 'code'} to run.")
        command = (sys.executable, *words)
        return Program(command, _module_file(value, cwd), value) if flag == "-m" else Program(command, None, "code")
    return _named(_expanded(words[0]), rest, cwd)


def words_of(launched: Launched) -> tuple[str, ...]:
    """Returns the words for `program_of` that start the same program again; empty if the run had no program."""
    old = launched.command[1:4] == _OLD_RUNNER
    return launched.words or (launched.command[5:] if old else ())


def _named(source: str, arguments: Sequence[str], cwd: Path | None) -> Program:
    path = (cwd or Path()) / source
    if os.path.isfile(path) and _runs_by_itself(path):
        return Program((source if "/" in source else f"./{source}", *arguments), _text_file(source, path), path.stem)
    if os.path.isfile(path) or os.path.isfile(path / "__main__.py"):
        file = Path(source) if os.path.isfile(path) else Path(source, "__main__.py")
        return Program((sys.executable, source, *arguments), file, path.resolve().stem)
    found = None if "/" in source or path.suffix in _PYTHON_SUFFIXES else _on_path(source)
    if found is None or os.path.isdir(path):
        raise _not_found(source, path)
    return Program((found, *arguments), _text_file(found, Path(found)), source)


def _runs_by_itself(path: Path) -> bool:
    """Whether the system can start a file directly. A .py file is always run by Python, as in `python train.py`."""
    if path.suffix in _PYTHON_SUFFIXES or not os.access(path, os.X_OK):
        return False
    head = _head(path)
    return head.startswith(b"#!") or b"\0" in head


def _text_file(source: str, path: Path) -> Path | None:
    return None if b"\0" in _head(path) else Path(source)


def _head(path: Path) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(_HEAD_BYTES)
    except OSError:
        return b""


def _on_path(name: str) -> str | None:
    """Looks up a program by name, first among those installed for this Python, then on PATH."""
    return shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)


def _module_file(name: str, cwd: Path | None) -> Path | None:
    """Returns a module's file below the current folder, where `python -m` looks first; None if it is elsewhere."""
    stem = Path(*name.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__main__.py")
    return next((file for file in candidates if os.path.isfile((cwd or Path()) / file)), None)


def _not_found(source: str, path: Path) -> TuimonError:
    if os.path.isdir(path):
        hint = f"Train a run again: tuimon replay {source}" if any(path.glob("*tfevents*")) else ""
        return TuimonError(f"{source}: a folder with neither {SPEC_FILE} nor __main__.py.", hint)
    beside = [entry.name for entry in _entries(path.parent) if entry.name.endswith(_PYTHON_SUFFIXES)]
    if "/" in source or path.suffix in _PYTHON_SUFFIXES:
        return TuimonError(f"no file {source}{_like(source, beside)}", "Relative paths start at the current folder.")
    if "=" in source:
        return TuimonError(f"{source}: name what to train first, then its settings.", "tuimon run digits-mlp lr=0.01")
    guess = _like(source, beside) or did_you_mean(source, preset_paths())
    return TuimonError(f"no file {source}, and no preset or program of that name{guess}", "`tuimon presets` lists the presets.")


def _like(source: str, files: Iterable[str]) -> str:
    """Suggests the nearest of some files, as the user would type its path."""
    folder = os.path.dirname(source)
    return did_you_mean(source, [os.path.join(folder, file) for file in files])


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError:
        return []


def _expanded(source: str) -> str:
    return os.path.expanduser(source)
