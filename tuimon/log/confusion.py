"""The confusion matrix of a validation, as a text of the log, under `confusion/val`: how often each class was taken for which.

Written by the training process, read by viewers; TensorBoard shows it among the texts.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from tuimon.log.records import Count

PREFIX = "confusion/"  # and the split
MOST_CLASSES = 50  # beyond, a matrix is too large to log at each validation, and to be read


class Confusion(msgspec.Struct, frozen=True):
    """Counts of examples.

    Attributes:
        classes: the names of the C classes.
        counts: [C, C]; of each class (row), how many were taken for which (column).
    """

    classes: tuple[str, ...]
    counts: tuple[tuple[Count, ...], ...]

    def __post_init__(self) -> None:
        """Checks the shape; a matrix of a log may have any."""
        size = len(self.classes)
        if not 0 < size <= MOST_CLASSES or len(self.counts) != size or any(len(row) != size for row in self.counts):
            raise ValueError(f"a confusion matrix has as many rows and columns as classes, from 1 to {MOST_CLASSES}")


def encode(counts: Sequence[Sequence[int]], classes: Sequence[str] = ()) -> str:
    """The text of a matrix; classes without names are numbered.

    Raises:
        ValueError: it is not square, or has too many classes.
    """
    names = tuple(map(str, classes)) or tuple(map(str, range(len(counts))))
    return msgspec.json.encode(Confusion(names, tuple(tuple(map(int, row)) for row in counts))).decode()


def decode(text: str) -> Confusion | None:
    """The matrix of a text; None if the text is something else."""
    try:
        return msgspec.json.decode(text, type=Confusion)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
