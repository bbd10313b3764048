"""The user's own tables: CSV files.

The first row names the columns, unless one of its cells is a number. A column without any numbers is a category: an input
becomes one column for each of its values (one-hot), a target gives the classes. Empty cells of inputs become NaN, or of a
category none of its values, if they are to be filled. Errors name the file, row and column.
"""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import numpy.typing as npt

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean
from tuimon.spec.data import DataSpec
from tuimon.training.data.raw import Floats, Integers, Raw

_MOST_CLASSES = 20  # a target column with more different whole numbers has values, not classes
_MOST_CATEGORIES = 1000  # of an input column


class Table(NamedTuple):
    """The cells of a CSV file by column; `rows` are their line numbers in the file, as an editor counts them."""

    path: Path
    names: tuple[str, ...]
    columns: tuple[tuple[str, ...], ...]
    rows: tuple[int, ...]

    def place(self, row: int, column: int) -> str:
        """The place of a cell in words."""
        return f"{self.path}, row {self.rows[row]}, column {self.names[column]}"


def read_csv(spec: DataSpec) -> Raw:
    """Reads inputs [N, columns without the target] and targets of a CSV file.

    Raises:
        TuimonError: the file is not valid; the text names the file, row and column.
    """
    table = read_table(Path(spec.path))
    if spec.task == "reconstruction" and not spec.target:
        inputs, names = _inputs(table, range(len(table.names)), spec.fill != "none")
        return Raw(inputs, None, input_names=names)
    target = find_column(table, spec.target)
    others = [column for column in range(len(table.names)) if column != target]
    inputs, names = _inputs(table, others, spec.fill != "none")
    found, classes = targets(table, target, spec.task)
    return Raw(inputs, found, classes, names)


def read_table(path: Path) -> Table:
    """Reads the cells of a CSV file, separated by commas, semicolons or tabs, whichever is most frequent in the first line.

    Skips empty rows.

    Raises:
        TuimonError: the file cannot be read or is empty, or a row has a different number of cells than the first.
    """
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            separator = max(",;\t", key=file.readline().count)
            file.seek(0)
            reader = csv.reader(file, delimiter=separator)
            rows = dict((reader.line_num, [cell.strip() for cell in row]) for row in reader if any(map(str.strip, row)))
    except OSError as error:
        raise TuimonError(f"data.path: {path} cannot be read: {error.strerror}", "Name a CSV file with data.path.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise TuimonError(f"{path}: not a UTF-8 CSV file: {error}") from error
    if separator == ";":
        rows = {number: [_with_point(cell) for cell in row] for number, row in rows.items()}
    return _table(path, rows)


def _with_point(cell: str) -> str:
    """Turns `1,5` into `1.5`: a comma that does not separate cells is a decimal comma, as in spreadsheets of many countries."""
    return cell.replace(",", ".") if _number(cell.replace(",", ".", 1)) is not None else cell


def _table(path: Path, rows: dict[int, list[str]]) -> Table:
    first = next(iter(rows.values()), [])
    named = bool(rows) and all(_number(cell) is None for cell in first)
    if len(rows) < 2 + named:
        raise TuimonError(f"{path}: has {max(0, len(rows) - named)} rows of data, but needs at least 2")
    wrong = next((number for number, row in rows.items() if len(row) != len(first)), None)
    if wrong is not None:
        raise TuimonError(f"{path}, row {wrong}: has {len(rows[wrong])} cells, but the first row has {len(first)}")
    names = tuple(cell if named and cell else str(number) for number, cell in enumerate(first, start=1))
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise TuimonError(f"{path}, row 1: two columns are named {twice}")
    cells = tuple(zip(*list(rows.values())[named:], strict=True))
    return Table(path, names, cells, tuple(rows)[named:])


def find_column(table: Table, target: str) -> int:
    """The index of the target column, given by name or by number from 1; the last column by default."""
    if len(table.names) < 2:
        raise TuimonError(f"{table.path}: has only one column, but needs inputs and a target")
    if not target:
        return len(table.names) - 1
    if target in table.names:
        return table.names.index(target)
    if target.isdecimal() and 1 <= int(target) <= len(table.names):
        return int(target) - 1
    nearest = did_you_mean(target, table.names) or f"; it has {', '.join(table.names[:20])}"
    raise TuimonError(f"data.target = {target!r}: {table.path} has no such column{nearest}")


def _inputs(table: Table, columns: range | list[int], fills: bool) -> tuple[Floats, tuple[str, ...]]:
    found, names = [], []
    for column in columns:
        if _is_text(table.columns[column]):
            values = sorted(set(table.columns[column]))
            if fills and len(values) > 1:
                values = [value for value in values if value]
            _check_category(table, column, values)
            found += [np.array([cell == value for cell in table.columns[column]], np.float64) for value in values]
            names += [f"{table.names[column]}={value}" for value in values]
        else:
            found.append(_numbers(table, column, fills))
            names.append(table.names[column])
    return np.stack(found, axis=1).astype(np.float32), tuple(names)


def _check_category(table: Table, column: int, values: list[str]) -> None:
    if "" in values:
        _refuse(table, table.columns[column].index(""), column)
    if len(values) > _MOST_CATEGORIES:
        raise TuimonError(
            f"{table.path}, column {table.names[column]}: {len(values)} different values are too many for a category",
            "Remove the column if it holds names or dates.",
        )


def targets(table: Table, column: int, task: str) -> tuple[Integers | Floats, tuple[str, ...]]:
    """Class numbers [N] and the sorted names of the classes; or values [N, 1] and no names."""
    cells = table.columns[column]
    if task != "regression" and _is_text(cells):
        if "" in cells:
            _refuse(table, cells.index(""), column)
        classes, numbers = np.unique(np.array(cells), return_inverse=True)
        return numbers.astype(np.int64), tuple(str(name) for name in classes)
    values = _numbers(table, column)
    if task == "classification" or (task == "auto" and _are_classes(values)):
        kinds, numbers = np.unique(values, return_inverse=True)
        return numbers.astype(np.int64), tuple(f"{kind:g}" for kind in kinds)
    return values.astype(np.float32)[:, None], ()


def _are_classes(values: npt.NDArray[np.float64]) -> bool:
    return bool((values == np.round(values)).all()) and len(np.unique(values)) <= _MOST_CLASSES


def _is_text(cells: tuple[str, ...]) -> bool:
    """Whether no cell is a number."""
    return all(_number(cell) is None for cell in cells)


def _numbers(table: Table, column: int, fills: bool = False) -> npt.NDArray[np.float64]:
    """The numbers of a column; with `fills`, NaN for empty cells."""
    cells = table.columns[column]
    empty = np.array([fills and _is_empty(cell) for cell in cells])
    cells = tuple("0" if hole else cell for cell, hole in zip(cells, empty, strict=True))
    try:
        values = np.array(cells, dtype=np.float64)
    except ValueError:
        _refuse(table, next(row for row, cell in enumerate(cells) if _number(cell) is None), column)
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.astype(np.float32))
    if not finite.all():
        _refuse(table, int(np.flatnonzero(~finite)[0]), column)
    values[empty] = np.nan
    return values


def _is_empty(cell: str) -> bool:
    return cell.lower() in ("", "na", "n/a", "nan", "null")


def _refuse(table: Table, row: int, column: int) -> NoReturn:
    cell = table.columns[column][row]
    what = f"{cell!r} is not a finite number" if cell else "is empty"
    what = f"{cell!r} is too large for float32" if math.isfinite(_number(cell) or math.inf) else what
    fill = "" if cell else ", or of inputs, fill it with data.fill=mean, median or zero"
    raise TuimonError(f"{table.place(row, column)}: {what}", f"Fix it, or remove the row or the column{fill}.")


def _number(cell: str) -> float | None:
    """The number in a cell, as numpy reads it; None if there is none. `nan` and `inf` are text in a row of names."""
    try:
        value = float(cell)
    except ValueError:
        return None
    return value if "_" not in cell and (math.isfinite(value) or cell[:1] in "+-") else None
