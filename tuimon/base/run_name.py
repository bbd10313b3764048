"""What a run may be called: the name of one folder, typed on command lines."""

from __future__ import annotations

from tuimon.base.errors import TuimonError

_MAX_BYTES = 120
_RESERVED = ("latest",)


def check_name(name: str) -> None:
    """Raises TuimonError when a run cannot be called so."""
    problem = _wrong_with(name)
    if problem:
        raise TuimonError(f"A run cannot be called {name!r}: {problem}.", "Use letters, digits, '-', '_' and '.'.")


def _wrong_with(name: str) -> str:
    if not name.strip() or name != name.strip():
        return "it is empty, or has a space at an end"
    if "/" in name or not name.isprintable():
        return "it is to be the name of one folder, without / and control characters"
    if name[0] in ".-":
        return f"it begins with {name[0]!r}"
    if len(name.encode()) > _MAX_BYTES:
        return f"it is longer than {_MAX_BYTES} bytes"
    return f"{name} means the newest run" if name in _RESERVED else ""
