"""ASCII spelling of texts, for terminals that show nothing else.

For help texts, errors and notices. Charts and tables have their own ASCII signs. Pure functions.
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
    """The text with tuimon's own signs spelled in ASCII. Other characters, such as those of a user's run name, stay."""
    return text if text.isascii() else text.translate(_TO_ASCII)


def said(app: App[Any], text: str) -> str:
    """The text as the app should show it: in ASCII if the user asked for that."""
    return to_ascii(text) if getattr(app, "ascii_only", False) else text
