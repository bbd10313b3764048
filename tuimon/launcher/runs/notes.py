"""What a user says about a run: tags and a note, in a small file in the run's folder.

A reader may find anything in it: it is read within a limit, and a file that cannot be read is as good as none.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import msgspec

from tuimon.base.errors import TuimonError
from tuimon.base.plain import one_line
from tuimon.base.regular import open_regular

NOTES_FILE = "notes.json"  # in a run's folder
_MOST_BYTES = 1 << 16
_LONGEST_TAG, _LONGEST_NOTE, _MOST_TAGS = 64, 4000, 32


class Notes(msgspec.Struct, frozen=True):
    """A user's words on a run; tags are single words, each once."""

    tags: tuple[Annotated[str, msgspec.Meta(max_length=_LONGEST_TAG)], ...] = ()
    note: Annotated[str, msgspec.Meta(max_length=_LONGEST_NOTE)] = ""


def read_notes(run: Path) -> Notes:
    """The notes on a run, which may be a folder or one event file; empty ones where there are none that can be read."""
    try:
        with open_regular(run / NOTES_FILE) as file:
            found = msgspec.json.decode(file.read(_MOST_BYTES), type=Notes)
    except (OSError, msgspec.MsgspecError, UnicodeError, RecursionError):
        return Notes()
    return Notes(tuple(dict.fromkeys(map(one_line, found.tags[:_MOST_TAGS]))), one_line(found.note))


def write_notes(run: Path, notes: Notes) -> None:
    """Replaces the notes on a run at once; empty ones remove the file.

    Raises:
        TuimonError: a tag is no single word, the note is too long, or the file cannot be written.
    """
    _check(notes)
    path, fresh = run / NOTES_FILE, run / f".{NOTES_FILE}.{os.getpid()}"
    try:
        if notes == Notes():
            path.unlink(missing_ok=True)
            return
        try:
            fresh.write_bytes(msgspec.json.format(msgspec.json.encode(notes)) + b"\n")
            os.replace(fresh, path)
        finally:
            fresh.unlink(missing_ok=True)
    except OSError as error:
        raise TuimonError(f"Cannot write the notes on {run.name} to {path}: {error.strerror or error}.") from error


def _check(notes: Notes) -> None:
    for tag in notes.tags:
        if not tag or len(tag) > _LONGEST_TAG or not tag.isprintable() or any(char.isspace() for char in tag):
            raise TuimonError(f"A run cannot be tagged {tag!r}.", f"A tag is one word of at most {_LONGEST_TAG} characters.")
    if len(notes.tags) > _MOST_TAGS:
        raise TuimonError(f"A run has at most {_MOST_TAGS} tags.")
    if len(notes.note) > _LONGEST_NOTE:
        raise TuimonError(f"A note has at most {_LONGEST_NOTE} characters; this one has {len(notes.note)}.")
