"""Chooses the starting theme by what the terminal can show. The themes themselves are Textual's."""

from __future__ import annotations

from collections.abc import Mapping

FULL, LIGHT = "textual-dark", "textual-light"
TERMINAL_S_OWN = "ansi-dark"  # the terminal's own sixteen colours and background
_LIGHT_FROM = 0.5  # lightness of a background from which on it is a light one
_FEW_COLOURS = ("standard", "windows", None)  # rich's names for such terminals


def starting_theme(color_system: str | None, environ: Mapping[str, str], preferred: str = "") -> str:
    """The starting theme: $TUIMON_THEME, else the user's, else one that the terminal can show.

    Args:
        color_system: as detected by rich: truecolor, 256, standard, or None.
        environ: the process's environment variables.
        preferred: the user's setting; empty: none. A terminal of few colours does not use it.
    """
    wanted = environ.get("TUIMON_THEME", "") or (preferred if _is_colourful(color_system, environ) else "")
    if wanted:
        return wanted
    return FULL if _is_colourful(color_system, environ) else TERMINAL_S_OWN


def theme_on(lightness: float, shown: str, environ: Mapping[str, str], preferred: str) -> str:
    """The theme for a background, in place of the usual one; what the user chose stays.

    Args:
        lightness: of the background, in [0, 1].
        shown: the present theme.
        environ: the process's environment variables.
        preferred: the user's setting; empty: none.
    """
    chosen = environ.get("TUIMON_THEME", "") or preferred
    return LIGHT if lightness > _LIGHT_FROM and shown == FULL and not chosen else shown


def _is_colourful(color_system: str | None, environ: Mapping[str, str]) -> bool:
    return color_system not in _FEW_COLOURS and "NO_COLOR" not in environ


def speaks_unicode(encoding: str, environ: Mapping[str, str]) -> bool:
    """Whether the terminal can show more than ASCII: not the Linux console, and not in a C locale."""
    return encoding.lower().replace("-", "") == "utf8" and environ.get("TERM") not in ("linux", "vt100", "vt220")
