"""The user's own pictures, PNG, JPEG or other files that Pillow reads: a folder for each class, or a table of their names.

Class folders lie in `data.path`, or in its folders `train` and `val` (or `valid`, `validation`, `test`). A table is a CSV file
with a column of file names, which start at the table's own folder, and one of classes or values.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DataSpec
from tuimon.training.data.raw import Floats, Raw
from tuimon.training.data.table import Table, find_column, read_table, targets

_SUFFIXES = frozenset((".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff", ".pgm", ".ppm"))
_HELD_OUT = ("val", "valid", "validation", "test")
_GREY = ("1", "L", "LA")  # Pillow's modes of pictures without colours

_Found = list[tuple[Path, str]]  # files, and the names of their classes


def read_folder(spec: DataSpec) -> Raw:
    """Reads pictures [N, 1 or 3, H, W], values 0 to 255, and their classes, or a table's values; grey if all of them are.

    Raises:
        TuimonError: there are no class folders, a file cannot be read, or sizes differ; the text names the file.
    """
    root = Path(spec.path)
    if root.is_file():
        return _read_named(read_table(root), spec)
    held_out = next((root / name for name in _HELD_OUT if (root / name).is_dir()), None)
    if (root / "train").is_dir() and held_out is not None:
        train, val = _files(root / "train"), _files(held_out)
        unknown = {kind for _, kind in val} - {kind for _, kind in train}
        if unknown:
            raise TuimonError(f"data.path: {held_out / min(unknown)}: there is no such class in {root / 'train'}")
        return _read([*train, *val], spec, len(train))
    return _read(_files(root), spec, 0)


def _files(root: Path) -> _Found:
    """The pictures of each class folder, in the order of their names."""
    try:
        found = [(path, folder.name) for folder in _folders(root) for path in sorted(folder.rglob("*")) if _is_picture(path)]
    except OSError as error:
        raise TuimonError(f"data.path: {root} cannot be read: {error.strerror}", "Name a folder with data.path.") from error
    if len({kind for _, kind in found}) < 2:
        raise TuimonError(
            f"data.path: {root} has no folders of pictures for two or more classes",
            f"Put each class's pictures into a folder named after it: {root}/cat/1.png, {root}/dog/1.png.",
        )
    return found


def _read_named(table: Table, spec: DataSpec) -> Raw:
    """The pictures that a table names, in its order."""
    column = next((at for at, cells in enumerate(table.columns) if all(map(_names_picture, cells))), None)
    if column is None:
        raise TuimonError(
            f"data.path: {table.path} has no column in which each cell names a picture",
            "One column holds file names such as cat/1.png, starting at the table's folder; another one classes or values.",
        )
    others = [at for at in range(len(table.names)) if at != column]
    target = find_column(table, spec.target) if spec.target else others[-1] if others else column
    if target == column:
        raise TuimonError(f"data.target: {table.path} has nothing to predict but the pictures' names, in {table.names[column]}")
    files = [table.path.parent / cell for cell in table.columns[column]]
    missing = next((row for row, file in enumerate(files) if not file.is_file()), None)
    if missing is not None:
        raise TuimonError(f"{table.place(missing, column)}: there is no file {files[missing]}")
    pictures = _same_depth([(path, _pixels(path, spec.size)) for path in files])
    return Raw(pictures, *targets(table, target, spec.task))


def _names_picture(cell: str) -> bool:
    return Path(cell).suffix.lower() in _SUFFIXES


def _folders(root: Path) -> list[Path]:
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and not path.name.startswith(".")


def _read(files: _Found, spec: DataSpec, train: int) -> Raw:
    classes = sorted({kind for _, kind in files})
    pictures = _same_depth([(path, _pixels(path, spec.size)) for path, _ in files])
    targets = np.array([classes.index(kind) for _, kind in files], np.int64)
    return Raw(pictures, targets, tuple(classes), train=train)


def _pixels(path: Path, size: int) -> Any:
    """One picture, uint8 [H, W] or [H, W, 3]; `size` pixels a side, if that is not 0."""
    try:
        from PIL import Image, ImageOps
    except ImportError as error:
        hint = "Run: pip install 'tuimon[train]'"
        raise TuimonError("Folders of pictures need Pillow, which is not installed", hint) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                if file.mode.startswith(("I", "F")):
                    raise ValueError("it has more than 8 bits a channel")
                upright = ImageOps.exif_transpose(file).convert("L" if file.mode in _GREY else "RGB")
                return np.asarray(upright.resize((size, size), Image.Resampling.BILINEAR) if size else upright)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TuimonError(f"{path}: cannot be read as a picture: {error}", "Remove it, or save it again.") from error


def _same_depth(read: list[tuple[Path, Any]]) -> Floats:
    """All pictures as one array [N, channels, H, W]."""
    first, shape = read[0][0], read[0][1].shape[:2]
    for path, pixels in read:
        if pixels.shape[:2] != shape:
            sizes = f"{pixels.shape[1]}×{pixels.shape[0]} pixels, but {first} has {shape[1]}×{shape[0]}"
            raise TuimonError(f"{path}: has {sizes}", "Give all of them one size with data.size=64.")
    coloured = any(pixels.ndim == 3 for _, pixels in read)
    found = np.empty((len(read), 3 if coloured else 1, *shape), np.float32)
    for place, pixels in enumerate(_channels(read, coloured)):
        found[place] = pixels
    return found


def _channels(read: list[tuple[Path, Any]], coloured: bool) -> Iterator[Any]:
    for _, pixels in read:
        channels = pixels.transpose(2, 0, 1) if pixels.ndim == 3 else pixels[None]
        yield np.repeat(channels, 3, axis=0) if coloured and len(channels) == 1 else channels
