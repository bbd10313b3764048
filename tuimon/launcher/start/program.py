"""What of a user's own can be started, and the command that starts it as a shell would.

A script, `-m MODULE` and `-c CODE` are handed to Python as they are; any other program is started by itself: a console script,
a shell script, a launcher such as torchrun. No torch; nothing of the user's is imported.
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
from tuimon.spec.presets import preset_paths
from tuimon.spec.spec import SPEC_FILE

_PYTHON_SUFFIXES = (".py", ".pyw", ".pyc", ".pyz")
_HEAD_BYTES = 1024
_OLD_RUNNER = (
    "-P",
    "-m",
    "tuimon.monitor.script.script",
)  # in logs of version 0.1, before the run's folder


class Program(NamedTuple):
    """A user's own program.

    Attributes:
        command: how it is started.
        file: the source that is run, where there is one file that can be named; relative to where the program runs.
        name: what its runs are called.
    """

    command: tuple[str, ...]
    file: Path | None
    name: str


def is_spec(source: str) -> bool:
    """Whether what is to be run is a spec, and no program: a preset's name, a .toml file, or the folder of a spec's run."""
    return source in preset_paths() or source.endswith(".toml") or os.path.isfile(os.path.join(_expanded(source), SPEC_FILE))


def program_of(words: Sequence[str], cwd: Path | None = None) -> Program:
    """The program that `words` start, as they would follow `python`; or as a shell would have them.

    Args:
        words: `-m MODULE`, `-c CODE`, a Python file, a folder or archive with `__main__.py`, or any program: a path, or a name
            that is looked up beside this Python and on PATH. Then the program's own arguments.
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
    """What `program_of` can be given to start the same program again; empty where it was none."""
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
    """Whether the system itself can start a file; one that ends in .py is Python's, as in `python train.py`."""
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
    """A program by its name: what is installed for this Python goes before what is on PATH."""
    return shutil.which(name, path=sysconfig.get_path("scripts")) or shutil.which(name)


def _module_file(name: str, cwd: Path | None) -> Path | None:
    """The file of a module below the current folder, where `python -m` looks first; None where it is elsewhere."""
    stem = Path(*name.split("."))
    candidates = (stem.with_suffix(".py"), stem / "__main__.py")
    return next((file for file in candidates if os.path.isfile((cwd or Path()) / file)), None)


def _not_found(source: str, path: Path) -> TuimonError:
    if os.path.isdir(path):
        hint = f"Train a run again: tuimon replay {source}" if any(path.glob("*tfevents*")) else ""
        return TuimonError(f"{source}: a folder with neither {SPEC_FILE} nor __main__.py.", hint)
    beside = [entry.name for entry in _entries(path.parent) if entry.name.endswith(_PYTHON_SUFFIXES)]
    if "/" in source or path.suffix in _PYTHON_SUFFIXES:
        return TuimonError(f"no file {source}{_like(source, beside)}", "A path counts from the current folder.")
    if "=" in source:
        return TuimonError(f"{source}: what is to be trained comes first, then its settings.", "tuimon run digits-mlp lr=0.01")
    guess = _like(source, beside) or did_you_mean(source, preset_paths())
    return TuimonError(f"no file {source}, and no preset or program of that name{guess}", "`tuimon presets` lists the presets.")


def _like(source: str, files: Iterable[str]) -> str:
    """The nearest of some files, by its path as it would be typed."""
    folder = os.path.dirname(source)
    return did_you_mean(source, [os.path.join(folder, file) for file in files])


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return list(os.scandir(folder))
    except OSError:
        return []


def _expanded(source: str) -> str:
    return os.path.expanduser(source)
