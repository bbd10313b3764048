"""Text, character by character: windows of it as inputs, and the next character at each position as targets.

The bundled text is Python's own language documentation (the topics of `help()`), which comes with CPython; it differs a little
between versions of Python.
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
    """Splits a text into windows of `spec.context` characters; its last part is the validation split.

    Raises:
        TuimonError: the file cannot be read, or the text is too short for both splits.
    """
    text = read_text(Path(spec.path)) if spec.path else bundled_text()
    vocabulary, tokens = encode(text)
    place = len(tokens) - round(len(tokens) * spec.val_fraction)
    train, val = (windows(part.to(device), spec.context) for part in (tokens[:place], tokens[place:]))
    if not len(train) or not len(val):
        raise TuimonError(
            f"data.context = {spec.context}: {spec.path or 'the text'} has {len(tokens)} characters, too few for both splits",
            "Use a longer text or a smaller data.context.",
        )
    known = Dataset(len(train) + len(val), (spec.context,), len(vocabulary), "text")
    return Data(train, val, known, class_names=tuple(vocabulary))


def read_text(path: Path) -> str:
    """Reads a UTF-8 text file.

    Raises:
        TuimonError: the file cannot be read, or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise TuimonError(f"data.path: {path} cannot be read: {error.strerror}", "Name a text file with data.path.") from error
    except UnicodeDecodeError as error:
        raise TuimonError(f"{path}: not a UTF-8 text file: byte {error.start} is {error.object[error.start]:#04x}") from error


def bundled_text() -> str:
    """Python's language documentation, about 460,000 characters.

    Raises:
        TuimonError: this Python lacks it.
    """
    try:
        from pydoc_data.topics import topics
    except ImportError as error:
        raise TuimonError("This Python lacks pydoc_data, the bundled text", "Name a text file with data.path.") from error
    return "\n\n".join(topics[name].strip() for name in sorted(topics))


def encode(text: str) -> tuple[str, Tensor]:
    """The sorted vocabulary, and the number of each character in it: uint8 [N] if that is enough, otherwise int32 [N]."""
    if not text:
        return "", torch.zeros(0, dtype=torch.uint8)
    points, numbers = np.unique(np.frombuffer(text.encode("utf-32-le"), np.uint32), return_inverse=True)
    kind = np.uint8 if len(points) <= 256 else np.int32
    return "".join(chr(point) for point in points), torch.from_numpy(numbers.astype(kind))


def windows(tokens: Tensor, context: int) -> Split:
    """Inputs and targets [N, context] as adjacent windows: views of the tokens without a copy; drops an incomplete last one."""
    count = max(0, (len(tokens) - 1) // context)
    inputs = tokens[: count * context].view(count, context)
    return Split(inputs, tokens[1 : count * context + 1].view(count, context))
