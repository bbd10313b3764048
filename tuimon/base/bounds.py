"""How far the autopilot may go: how many remedies, how often, and with which levers."""

from __future__ import annotations

from dataclasses import dataclass

from tuimon.base.errors import TuimonError

_FORM = "It is most=6,every=20,levers=lr_scale+clip_norm, each of the three where it differs."


@dataclass(frozen=True, slots=True)
class Bounds:
    """The autopilot's bounds.

    Attributes:
        most: remedies in a run.
        every: steps between two of them, at least.
        levers: those that it may move; all if none is named.
    """

    most: int = 6
    every: int = 20
    levers: frozenset[str] = frozenset()

    def allows(self, levers: frozenset[str]) -> bool:
        """Whether all of these may be moved."""
        return not self.levers or levers <= self.levers

    def __str__(self) -> str:
        """As `bounds_of` reads it."""
        named = f",levers={'+'.join(sorted(self.levers))}" if self.levers else ""
        return f"most={self.most},every={self.every}{named}"


def bounds_of(text: str) -> Bounds:
    """Reads bounds as they are typed; what is left out stays at its default.

    Raises:
        TuimonError: the text is none.
    """
    found: dict[str, int | frozenset[str]] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (word.strip() for word in part.partition("="))
        if name in ("most", "every") and value.isdecimal() and int(value) > 0:
            found[name] = int(value)
        elif name == "levers" and equals and value:
            found[name] = frozenset(value.split("+"))
        else:
            raise TuimonError(f"Cannot read the autopilot's bounds {text!r}: {part!r} is none of them.", _FORM)
    return Bounds(**found)  # type: ignore[arg-type]
