"""Verbs that change what is kept of runs that are over: `mv`, `rm`, `note`, `tag`. Notes and tags also of a live run."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.base.run_name import check_name
from tuimon.launcher.runs.glance import judge
from tuimon.launcher.runs.notes import Notes, read_notes, write_notes
from tuimon.launcher.runs.runs import find_run, list_runs, run_name, runs_dir
from tuimon.launcher.runs.standing import COPY


def mv(options: argparse.Namespace) -> int:
    """Renames a run's folder, within the folder that it lies in."""
    run = _folder_of(options.run, options)
    check_name(options.to)
    target = run.with_name(options.to)
    _check_over(run, "renamed")
    if os.path.lexists(target):
        raise TuimonError(f"{target} exists already.", "Choose another name.")
    try:
        os.rename(run, target)
    except OSError as error:
        raise TuimonError(f"Cannot rename {run} to {target.name}: {error.strerror or error}.") from error
    print(f"{one_line(run.name)} is now {one_line(target.name)}")
    return 0


def rm(options: argparse.Namespace) -> int:
    """Deletes runs, after asking once; nothing is deleted if one of them must not be."""
    runs = list(dict.fromkeys(_folder_of(word, options) for word in options.runs))
    runs = [run for run in runs if not any(other in run.parents for other in runs)]
    for run in runs:
        _check_over(run, "deleted")
    for run in runs:
        print(one_line(f"{run}: {_content_of(run)}"), file=sys.stderr)
    if not options.yes and not _is_sure(len(runs)):
        raise TuimonError("Nothing was deleted.")
    for run in runs:
        try:
            shutil.rmtree(run)
        except OSError as error:
            raise TuimonError(f"Cannot delete all of {run}: {error.filename}: {error.strerror or error}.") from error
        print(f"deleted {one_line(run.name)}")
    return 0


def note(options: argparse.Namespace) -> int:
    """Prints the note on a run, or replaces it."""
    run = _folder_of(options.run, options)
    known = read_notes(run)
    if not options.text:
        print(known.note or "no note", file=sys.stdout if known.note else sys.stderr)
        return 0
    write_notes(run, Notes(known.tags, " ".join(options.text).strip()))
    return 0


def tag(options: argparse.Namespace) -> int:
    """Prints the tags of a run, or adds and removes some."""
    run = _folder_of(options.run, options)
    known = read_notes(run)
    if options.tags or options.remove:
        missing = [one for one in options.remove if one not in known.tags]
        if missing:
            hint = f"Its tags: {', '.join(known.tags) or 'none'}."
            raise TuimonError(f"{one_line(run.name)} has no tag {missing[0]!r}.", hint)
        tags = dict.fromkeys(one for one in (*known.tags, *options.tags) if one not in options.remove)
        write_notes(run, Notes(tuple(tags), known.note))
        known = read_notes(run)
    print(" ".join(known.tags) or "no tags", file=sys.stdout if known.tags else sys.stderr)
    return 0


def _folder_of(word: str, options: argparse.Namespace) -> Path:
    """A run's own folder."""
    run = find_run(word, runs_dir(options.runs_dir))
    if not run.is_dir():
        raise TuimonError(f"{run} is a file, not a run's folder.", "Name the folder that it lies in.")
    if run.is_symlink():
        raise TuimonError(f"{run} is a link to {os.path.realpath(run)}.", "Name that folder itself.")
    return run


def _check_over(run: Path, what: str) -> None:
    """Raises TuimonError if the run, or one in its folder, is live, or may be on another host."""
    for one in dict.fromkeys((run, *list_runs(run))):
        life, status = judge(one)
        elsewhere = status.state == "unknown" and (life.launched or life.started) and not status.detail.startswith(COPY)
        if status.live or elsewhere:
            name = one_line(run_name(one, run.parent))
            detail = f" ({status.detail})" if status.detail else ""
            hint = f"`tuimon stop {name}` stops it." if status.live else "Do it where its processes can be seen."
            raise TuimonError(f"{name} is {status.state}{detail}: it cannot be {what}.", hint)


def _content_of(run: Path) -> str:
    """What would be deleted: `12 files, 3.4 M, with the runs train and val in it`."""
    files = [path for path in run.rglob("*") if not path.is_dir() or path.is_symlink()]
    size = sum(path.lstat().st_size for path in files)
    inside = [run_name(one, run) for one in list_runs(run) if one != run]
    told = f"{len(files)} file{'' if len(files) == 1 else 's'}, {size / 2**20:.1f} M"
    return told + (f", with the runs {', '.join(sorted(inside))} in it" if inside else "")


def _is_sure(count: int) -> bool:
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise TuimonError("Nothing was deleted: there is no terminal to ask on.", "--yes deletes without asking.")
    what = "this run" if count == 1 else f"these {count} runs"
    print(f"Delete {what}? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
