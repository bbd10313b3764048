"""What can be known about a spec's files before Python and torch start: whether they are there, and name the columns.

Looks into the first lines of a table only; the training reads it whole, and checks every cell. Knows no torch.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean
from tuimon.spec.data import FILES, DataSpec
from tuimon.spec.spec import Spec

_KINDS = {
    "csv": "a CSV file",
    "npz": "an NPZ file",
    "text": "a text file",
    "folder": "a folder of pictures, or a CSV file that names them,",
}
_FIRST = 65_536  # bytes of a table to look at


def check_files(spec: Spec) -> None:
    """Refuses a spec whose file is missing or has no such column.

    Raises:
        TuimonError: one line that names the key and the file.
    """
    data = spec.data
    if data.path and data.name in (*FILES, "text"):
        _check_readable(data)
        if data.name == "csv" or (data.name == "folder" and os.path.isfile(data.path)):
            _check_column(data)


def header(path: Path) -> list[str]:
    """The names of a CSV file's columns, or numbers from 1 where the first row has none; empty if that cannot be told."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = file.read(_FIRST).splitlines()
        first = next((line for line in lines if line.strip()), "")
        cells = next(csv.reader([first], delimiter=max(",;\t", key=first.count)), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    named = not any(map(_is_number, cells))
    return [cell.strip() if named and cell.strip() else str(number) for number, cell in enumerate(cells, start=1)]


def _check_readable(data: DataSpec) -> None:
    try:
        if data.name == "folder" and not os.path.isfile(data.path):
            os.scandir(data.path).close()
        else:
            with open(data.path, "rb") as file:
                file.read(1)
    except OSError as error:
        hint = f"Name {_KINDS[data.name]} with data.path."
        raise TuimonError(f"data.path: {data.path} cannot be read: {error.strerror}", hint) from error


def _check_column(data: DataSpec) -> None:
    names = header(Path(data.path))
    if not names or not data.target or data.target in names:
        return
    if not (data.target.isdecimal() and 1 <= int(data.target) <= len(names)):
        nearest = did_you_mean(data.target, names) or f"; it has {', '.join(names[:20])}"
        raise TuimonError(f"data.target = {data.target!r}: {os.fspath(data.path)} has no such column{nearest}")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
