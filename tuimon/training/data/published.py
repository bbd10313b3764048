"""Published datasets as files: finds them, downloads them, and says what is missing.

Each has its own folder in the data folder: `data.path`, or $TUIMON_DATA, or ./data. Missing files are downloaded if that is
allowed and possible.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DataSpec
from tuimon.training.data.download import fetch_first


class Published(NamedTuple):
    """A published dataset: `files` with their checksums, on any of the `mirrors`.

    It is searched for in `folders` of the data folder; downloads go into the first of them.
    """

    title: str
    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    files: dict[str, str]


def data_folder(spec: DataSpec) -> Path:
    """The folder of published datasets, as an absolute path; it need not exist."""
    return Path(os.path.expanduser(spec.path or os.environ.get("TUIMON_DATA") or "data")).absolute()


def find(published: Published, spec: DataSpec) -> dict[str, Path]:
    """The path of each file, compressed or not; downloads missing files.

    Raises:
        TuimonError: a file is missing and cannot be downloaded; the text says which file belongs where.
    """
    folders = _folders(published, spec)
    found = {name: path for name in published.files if (path := _find_one(name, folders)) is not None}
    missing = [name for name in published.files if name not in found]
    if missing and not spec.download:
        raise _not_there(published, spec, missing, "data.download is off")
    for name in missing:
        found[name] = data_folder(spec) / published.folders[0] / name
        try:
            fetch_first(tuple(mirror + name for mirror in published.mirrors), found[name], published.files[name])
        except TuimonError as error:
            raise _not_there(published, spec, missing, error.message) from error
    return found


def _folders(published: Published, spec: DataSpec) -> list[Path]:
    """The folders to search: those in the data folder, and the data folder itself if the user named it."""
    root = data_folder(spec)
    return [*([root] if spec.path else []), *(root / folder for folder in published.folders)]


def _find_one(name: str, folders: list[Path]) -> Path | None:
    names = (name, name.removesuffix(".gz"))
    return next((path for folder in folders for known in names if (path := folder / known).is_file()), None)


def _not_there(published: Published, spec: DataSpec, missing: list[str], why: str) -> TuimonError:
    root = data_folder(spec)
    return TuimonError(
        f"{published.title} is not in {root} ({why})",
        f"Download {', '.join(missing)} from {published.mirrors[-1].rstrip('#')} into {root / published.folders[0]}, "
        "or name another folder with data.path or $TUIMON_DATA.",
    )
