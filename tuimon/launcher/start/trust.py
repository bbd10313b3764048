"""Runs nobody else's code unasked: says whose a file is, and which file would run, before anything is started.

Whoever can change a run's folder, its spec or its model file decides what a training process executes with the caller's rights.
Presets and the models that come with tuimon are its own, and a program that is named on the command line runs as from a shell.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.owners import outsider
from tuimon.base.plain import one_line
from tuimon.launcher.runs.runs import LAST_CHECKPOINT
from tuimon.launcher.start.program import Program
from tuimon.log.files import event_files
from tuimon.spec.presets import preset_paths
from tuimon.spec.spec import SPEC_FILE, Spec


class Untrusted(TuimonError):
    """Another user decides what would run. Nothing was started; the same call with `trusted=True` starts it."""


def require_trust(spec: Spec, source: str | Path | None, trusted: bool) -> None:
    """Checks what `source` and the model file of a spec would have run.

    Args:
        spec: what is to be trained, or looked at.
        source: what it was read from: a preset's name, a TOML file or a run's folder; None when the caller made it.
        trusted: whether the user has agreed already.

    Raises:
        Untrusted: someone else can change one of them.
    """
    code = _code(spec)
    _require(f"Training {source or spec.name}", [*_read_from(source, code), *_with_neighbours(code)], code, trusted)


def require_trust_in_program(words: Sequence[str], trusted: bool) -> None:
    """Checks a folder that would be run as a program: it was meant, perhaps, as the folder of a run.

    Args:
        words: as of `program_of`.
        trusted: whether the user has agreed already.

    Raises:
        Untrusted: someone else can change the folder, or the program in it.
    """
    folder = Path(os.path.expanduser(words[0]))
    main = folder / "__main__.py"
    if main.is_file():
        _require(f"Running {words[0]}", [folder, main], [main], trusted)


def require_trust_in_run(doing: str, run: Path, trained: Spec | Program, trusted: bool, cwd: Path | None = None) -> None:
    """Checks what going on with a run, or repeating it, would run.

    Args:
        doing: what is about to be done: `Resuming mine`.
        run: the run's folder.
        trained: what it trains.
        trusted: whether the user has agreed already.
        cwd: where a program's relative paths count from; None: here.

    Raises:
        Untrusted: someone else can change the folder, or what would run.
    """
    if isinstance(trained, Spec):
        files = _code(trained)
        code = [str(file) for file in files]
    else:
        files = [(cwd or Path()) / trained.file] if trained.file else []
        code = [shlex.join(trained.command)]
    _require(doing, [*_places_of_run(run), *_with_neighbours(files)], code, trusted)


def _require(doing: str, places: Iterable[Path], code: Sequence[object], trusted: bool) -> None:
    if trusted:
        return
    found = list(dict.fromkeys(filter(None, map(_outsider, places))))
    if not found:
        return
    more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
    what = f"run {', '.join(map(str, code))}" if code else "use files that others can change"
    hint = "Whoever can change these files acts with your rights then. If you trust them, add --trust."
    raise Untrusted(one_line(f"{doing} would {what}: {found[0]}{more}."), hint)


def _outsider(place: Path) -> str:
    try:
        return outsider(place)
    except OSError as error:
        return f"{place} cannot be looked at: {error.strerror}"


def _code(spec: Spec) -> list[Path]:
    """The file of the user's own model, if there is one."""
    return [Path(spec.model.name)] if spec.model.name.endswith(".py") else []


def _with_neighbours(code: Iterable[Path]) -> list[Path]:
    """The files, and their folders: what a model file imports is looked for beside it."""
    return [place for file in code for place in (file, file.parent)]


def _places_of_run(run: Path) -> list[Path]:
    """What is read when a run goes on or is repeated, as far as it is there."""
    named = (run, run / SPEC_FILE, run / LAST_CHECKPOINT)
    return [place for place in [*named, *event_files(run)] if os.path.lexists(place)]


def _read_from(source: str | Path | None, code: Sequence[Path]) -> list[Path]:
    """What a spec was read from, where that matters: a spec file that names no file to run can do no harm."""
    if source is None or str(source) in preset_paths():
        return []
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        return _places_of_run(path)
    return [path] if code else []
