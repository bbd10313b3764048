"""Which names a run can have: a run's name is the name of a folder, and is typed on command lines."""

from __future__ import annotations

from tuimon.base.errors import TuimonError

_MAX_BYTES = 120
_RESERVED = ("latest",)


def check_name(name: str) -> None:
    """Raises TuimonError if a run cannot have this name."""
    problem = _wrong_with(name)
    if problem:
        raise TuimonError(f"A run cannot be named {name!r}: {problem}.", "Use letters, digits, '-', '_' and '.'.")


def _wrong_with(name: str) -> str:
    if not name.strip() or name != name.strip():
        return "it is empty, or begins or ends with a space"
    if "/" in name or not name.isprintable():
        return "it must be the name of one folder, without / or control characters"
    if name[0] in ".-":
        return f"it begins with {name[0]!r}"
    if len(name.encode()) > _MAX_BYTES:
        return f"it is longer than {_MAX_BYTES} bytes"
    return f"{name} means the newest run" if name in _RESERVED else ""
