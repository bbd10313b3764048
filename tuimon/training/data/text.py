"""Text, character by character: windows of it, and after each character the one that follows.

The bundled text is Python's own documentation of its language (the topics of `help()`), which every CPython brings along;
it differs a little from one version of Python to the next.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from tuimon.base.errors import TuimonError
from tuimon.spec.data import Dataset, DataSpec
from tuimon.training.data.split import Data, Split


def load_text(spec: DataSpec, device: torch.device) -> Data:
    """The text as windows of `spec.context` characters; the last share of it is for validation.

    Raises:
        TuimonError: the file cannot be read, or the text is too short for both splits.
    """
    text = read_text(Path(spec.path)) if spec.path else bundled_text()
    vocabulary, tokens = encode(text)
    place = len(tokens) - round(len(tokens) * spec.val_fraction)
    train, val = (windows(part.to(device), spec.context) for part in (tokens[:place], tokens[place:]))
    if not len(train) or not len(val):
        raise TuimonError(
            f"data.context = {spec.context}: {spec.path or 'the text'} has only {len(tokens)} characters for both splits",
            "Take a longer text or a shorter context.",
        )
    known = Dataset(len(train) + len(val), (spec.context,), len(vocabulary), "text")
    return Data(train, val, known, class_names=tuple(vocabulary))


def read_text(path: Path) -> str:
    """The whole of a text file in UTF-8.

    Raises:
        TuimonError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TuimonError(f"data.path: {path} cannot be read: {error.strerror}", "Name a text file with data.path.") from error
    except UnicodeDecodeError as error:
        raise TuimonError(f"{path}: not a text in UTF-8: byte {error.start} is {error.object[error.start]:#04x}") from error


def bundled_text() -> str:
    """About 460,000 characters of Python's documentation.

    Raises:
        TuimonError: this Python came without it.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise TuimonError("This Python came without its documentation", "Name a text file with data.path.") from error
    return "\n\n".join(topics[name].strip() for name in sorted(topics))


def encode(text: str) -> tuple[str, Tensor]:
    """The vocabulary, in order, and the number of each character in it: uint8 [N] where that is enough, else int32."""
    if not text:
        return "", torch.zeros(0, dtype=torch.uint8)
    points, numbers = np.unique(np.frombuffer(text.encode("utf-32-le"), np.uint32), return_inverse=True)
    kind = np.uint8 if len(points) <= 256 else np.int32
    return "".join(chr(point) for point in points), torch.from_numpy(numbers.astype(kind))


def windows(tokens: Tensor, context: int) -> Split:
    """Inputs and targets [N, context], side by side: views of the tokens, without a copy; a rest too short is dropped."""
    count = max(0, (len(tokens) - 1) // context)
    inputs = tokens[: count * context].view(count, context)
    return Split(inputs, tokens[1 : count * context + 1].view(count, context))
