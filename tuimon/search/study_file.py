"""How a study's folder is known. Imports nothing: lists of runs ask for each folder."""

from __future__ import annotations

import os

STUDY_FILE = "study.toml"


def is_study(folder: str | os.PathLike[str]) -> bool:
    """Whether a folder is a study's."""
    return os.path.isfile(os.path.join(folder, STUDY_FILE))
