"""Runs no other user's code without asking: checks who can change the files that would run, before anything starts.

Whoever can change a run's folder, its spec or its model file decides which code runs with the caller's rights. Not checked are
presets and tuimon's own models, and programs named on the command line, which run as from a shell.
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
from tuimon.spec import SPEC_FILE
from tuimon.spec.presets import preset_paths
from tuimon.spec.spec import Spec


class Untrusted(TuimonError):
    """Another user can change what would run. Nothing was started; the same call with `trusted=True` starts it."""


def require_trust(spec: Spec, source: str | Path | None, trusted: bool) -> None:
    """Checks the model file of a spec, and the `source` that names it.

    Args:
        spec: the spec to train or check.
        source: where the spec comes from: a preset's name, a TOML file or a run's folder; None: from the caller.
        trusted: whether the user has already agreed.

    Raises:
        Untrusted: another user can change one of them.
    """
    code = _code(spec)
    _require(f"Training {source or spec.name}", [*_read_from(source, code), *_with_neighbours(code)], code, trusted)


def require_trust_in_program(words: Sequence[str], trusted: bool) -> None:
    """Checks a folder that would run as a program: the user may have meant the folder of a run.

    Args:
        words: as in `program_of`.
        trusted: whether the user has already agreed.

    Raises:
        Untrusted: another user can change the folder, or the program in it.
    """
    folder = Path(os.path.expanduser(words[0]))
    main = folder / "__main__.py"
    if main.is_file():
        _require(f"Running {words[0]}", [folder, main], [main], trusted)


def require_trust_in_run(doing: str, run: Path, trained: Spec | Program, trusted: bool, cwd: Path | None = None) -> None:
    """Checks what would run when a run is resumed or replayed.

    Args:
        doing: for the message: `Resuming my-run`.
        run: the run's folder.
        trained: its spec or program.
        trusted: whether the user has already agreed.
        cwd: the program's working directory; None: the current folder.

    Raises:
        Untrusted: another user can change the folder, or what would run.
    """
    if isinstance(trained, Spec):
        files = _code(trained)
        code = [str(file) for file in files]
    else:
        files = [(cwd or Path()) / trained.file] if trained.file else []
        code = [shlex.join(trained.command)]
    _require(doing, [*_places_of_run(run), *_with_neighbours(files)], code, trusted)


def require_trust_in_study(folder: Path, files: Iterable[str], trusted: bool) -> None:
    """Checks a study that goes on: its files say what its trials run.

    Raises:
        Untrusted: another user can change one of them.
    """
    places = [folder, *(folder / name for name in files if os.path.lexists(folder / name))]
    _require(f"Going on with {folder.name}", places, [], trusted)


def _require(doing: str, places: Iterable[Path], code: Sequence[object], trusted: bool) -> None:
    if trusted:
        return
    found = list(dict.fromkeys(filter(None, map(_outsider, places))))
    if not found:
        return
    more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
    what = f"run {', '.join(map(str, code))}" if code else "use files that others can change"
    hint = "Whoever can change these files would act with your rights. If you trust them, add --trust."
    raise Untrusted(one_line(f"{doing} would {what}: {found[0]}{more}."), hint)


def _outsider(place: Path) -> str:
    try:
        return outsider(place)
    except OSError as error:
        return f"{place} cannot be checked: {error.strerror}"


def _code(spec: Spec) -> list[Path]:
    """Returns the user's own model file, if the spec names one."""
    return [Path(spec.model.name)] if spec.model.name.endswith(".py") else []


def _with_neighbours(code: Iterable[Path]) -> list[Path]:
    """Returns the files and their folders: a model file may import modules next to it."""
    return [place for file in code for place in (file, file.parent)]


def _places_of_run(run: Path) -> list[Path]:
    """Returns the existing files that resuming or replaying reads."""
    named = (run, run / SPEC_FILE, run / LAST_CHECKPOINT)
    return [place for place in [*named, *event_files(run)] if os.path.lexists(place)]


def _read_from(source: str | Path | None, code: Sequence[Path]) -> list[Path]:
    """Returns where a spec comes from, if that matters: a spec file that names no file to run can do no harm."""
    if source is None or str(source) in preset_paths():
        return []
    path = Path(os.path.expanduser(source))
    if path.is_dir():
        return _places_of_run(path)
    return [path] if code else []
