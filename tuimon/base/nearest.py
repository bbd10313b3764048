"""Suggests the nearest known name for an unknown one, for error messages. Standard library only."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`; did you mean ...?` with the nearest of the `known` names, ignoring case; empty if none is near.

    A name that begins with `name` is nearest.
    """
    names = {other.lower(): other for other in reversed(list(known))}  # of two that differ in case only, the first
    longer = [other for other in reversed(names) if len(name) > 2 and other.startswith(name.lower())]
    nearest = longer or difflib.get_close_matches(name.lower(), list(names), n=1, cutoff=0.5)
    return f"; did you mean {names[nearest[0]]}?" if nearest else ""
