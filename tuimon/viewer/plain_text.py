"""Texts in ASCII, for terminals that show nothing else.

For what people wrote: help texts, errors, notices. What is drawn has ASCII signs of its own. Pure functions.
"""

from __future__ import annotations

from typing import Any

from textual.app import App

_SIGNS = {
    "…": "...", "–": "-", "—": "-", "−": "-", "·": "-", "×": "x", "±": "+-", "→": "->", "←": "<-", "²": "^2", "³": "^3",
    "½": "1/2", "¼": "1/4", "⅛": "1/8", "‘": "'", "’": "'", "“": '"', "”": '"', "≤": "<=", "≥": ">=", "≈": "~",
}  # fmt: skip
_TO_ASCII = str.maketrans(_SIGNS)


def to_ascii(text: str) -> str:
    """A text with the signs of ours spelled in ASCII; what else it holds, as a name of the user's, stays."""
    return text if text.isascii() else text.translate(_TO_ASCII)


def said(app: App[Any], text: str) -> str:
    """A text as the app is to show it: in ASCII where it was asked for."""
    return to_ascii(text) if getattr(app, "ascii_only", False) else text
