"""Which theme to begin with, by what the terminal can show. The themes themselves are Textual's."""

from __future__ import annotations

from collections.abc import Mapping

FULL = "textual-dark"
TERMINAL_S_OWN = "ansi-dark"  # the terminal's own sixteen colours, on its own background
_FEW_COLOURS = ("standard", "windows", None)  # rich's names for what a terminal can do


def starting_theme(color_system: str | None, environ: Mapping[str, str]) -> str:
    """The theme to begin with: $TUIMON_THEME, else one that the terminal can show.

    Args:
        color_system: what rich found: truecolor, 256, standard, or None.
        environ: the process's environment.
    """
    wanted = environ.get("TUIMON_THEME", "")
    if wanted:
        return wanted
    return TERMINAL_S_OWN if color_system in _FEW_COLOURS or "NO_COLOR" in environ else FULL


def speaks_unicode(encoding: str, environ: Mapping[str, str]) -> bool:
    """Whether the terminal can be trusted to show more than ASCII: not the Linux console, not in a C locale."""
    return encoding.lower().replace("-", "") == "utf8" and environ.get("TERM") not in ("linux", "vt100", "vt220")
