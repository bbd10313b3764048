"""The space of a search: what is varied, between which bounds and on which scale. Pure; knows no Optuna.

Each range has a scale of its own on which it is sampled evenly. A place on it is a number from 0 to 1.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tuimon.base.errors import TuimonError
from tuimon.base.nearest import did_you_mean

_CALL = re.compile(r"\s*(?P<kind>[a-z_]+)\s*\((?P<inside>.*)\)\s*", re.DOTALL)
_EXAMPLES = (
    "Examples: lr=log(1e-5,1e-1)  dropout=uniform(0,0.5)  momentum=one_minus_log(0.9,0.999)  hidden=int(50,100)  "
    "batch_size=int_log(16,256)  activation=choice(relu,tanh)  residual=bool()"
)
_RANGES = ("uniform", "log", "one_minus_log", "int", "int_log")
_KINDS = (*_RANGES, "choice", "bool")
_DIGITS = 6  # of a number that is tried: what is shown is what was tried


class Dimension(NamedTuple):
    """One thing that is varied.

    Attributes:
        name: a key of the spec, or a program's option without its dashes.
        kind: uniform, log (evenly in log x), one_minus_log (evenly in log(1 - x)), int, int_log, or choice.
        low: the lowest value of a range.
        high: the highest.
        choices: the values of a choice, as they are typed.
    """

    name: str
    kind: str
    low: float = 0.0
    high: float = 0.0
    choices: tuple[str, ...] = ()

    @property
    def is_whole(self) -> bool:
        """Whether its values are whole numbers."""
        return self.kind in ("int", "int_log")

    def text(self) -> str:
        """The range or choice as it is typed: `log(1e-05,0.1)`."""
        inside = self.choices if self.kind == "choice" else (f"{self.low:g}", f"{self.high:g}")
        return f"{self.kind}({','.join(inside)})"

    def at(self, place: float) -> float:
        """The value at a place from 0 to 1 of a range."""
        up, down = _scale(self.kind)
        first, last = up(self.low), up(self.high)
        value = min(max(down(first + (last - first) * place), self.low), self.high)
        return float(round(value)) if self.is_whole else value

    def place(self, value: float) -> float:
        """Where a value of a range lies, from 0 to 1."""
        up, _ = _scale(self.kind)
        first, last = up(self.low), up(self.high)
        return (up(value) - first) / (last - first) if last != first else 0.0

    def within(self, low: float, high: float) -> Dimension:
        """The same range between two places."""
        return self._replace(low=self.at(low), high=self.at(high))

    def shown(self, value: float | str) -> str:
        """A value as it is typed, and tried."""
        if isinstance(value, str):
            return value
        if self.is_whole:
            return str(round(value))
        if self.kind == "one_minus_log":  # 0.999 and 0.9991 differ by a tenth in what matters
            return f"{value:.{max(_DIGITS, _DIGITS - 1 - math.floor(math.log10(1 - value)))}g}"
        return f"{value:.{_DIGITS}g}"


Space = Sequence[Dimension]


def is_dimension(text: str) -> bool:
    """Whether a value is meant as a range or a choice."""
    found = _CALL.fullmatch(text)
    return found is not None and found["kind"] in _KINDS


def dimension(name: str, text: str) -> Dimension:
    """Reads what is typed for one thing to vary.

    Raises:
        TuimonError: it is no range or choice, or an empty one.
    """
    found = _CALL.fullmatch(text)
    if not found or found["kind"] not in _KINDS:
        near = did_you_mean(found["kind"], _KINDS) if found else ""
        raise TuimonError(f"{name}={text}: is neither a range nor a choice{near}", _EXAMPLES)
    inside = [part.strip() for part in found["inside"].split(",") if part.strip()]
    kind = found["kind"]
    if kind in ("choice", "bool"):
        choices = ("true", "false") if kind == "bool" else tuple(inside)
        if len(set(choices)) < 2 or len(set(choices)) < len(choices) or (kind == "bool" and inside):
            raise TuimonError(f"{name}={text}: needs at least two different values to choose from", _EXAMPLES)
        return Dimension(name, "choice", choices=choices)
    return _range(name, kind, inside, text)


def _range(name: str, kind: str, inside: Sequence[str], text: str) -> Dimension:
    try:
        low, high = map(float, inside)
    except ValueError:
        raise TuimonError(f"{name}={text}: needs two numbers, the lowest and the highest", _EXAMPLES) from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise TuimonError(f"{name}={text}: the first number must be lower than the second", _EXAMPLES)
    if kind in ("log", "int_log") and low <= 0:
        raise TuimonError(f"{name}={text}: a logarithmic range begins above 0", _EXAMPLES)
    if kind == "one_minus_log" and not 0 <= low < high < 1:
        raise TuimonError(f"{name}={text}: needs two numbers from 0 to below 1", _EXAMPLES)
    if kind in ("int", "int_log") and (low != round(low) or high != round(high)):
        raise TuimonError(f"{name}={text}: needs whole numbers", _EXAMPLES)
    return Dimension(name, kind, low, high)


def grid(space: Space, trials: int) -> list[dict[str, float | str]]:
    """All combinations of evenly spaced values: as many for each range as fit into a number of trials, and at least two."""
    ranges = [one for one in space if one.kind != "choice"]
    choices = math.prod(len(one.choices) for one in space if one.kind == "choice")
    each = max(2, math.floor((trials / choices) ** (1 / len(ranges)) + 1e-9)) if ranges else 0
    points: list[dict[str, float | str]] = [{}]
    for one in space:
        points = [point | {one.name: value} for point in points for value in _values(one, each)]
    return points


def _values(one: Dimension, each: int) -> Sequence[float | str]:
    if one.kind == "choice":
        return one.choices
    return list(dict.fromkeys(one.at(i / (each - 1)) for i in range(each)))


def around(space: Space, best: Sequence[Mapping[str, float | str]]) -> list[Dimension]:
    """The box around the best trials: each range from the lowest to the highest of theirs, and a little more.

    A range keeps at least a fifth of its width, in its own scale. Choices stay.
    """
    return [_around(one, [trial[one.name] for trial in best if one.name in trial]) for one in space]


def _around(one: Dimension, values: Sequence[float | str]) -> Dimension:
    if not values or one.kind == "choice":
        return one
    places = [one.place(float(value)) for value in values]
    middle, half = (min(places) + max(places)) / 2, (max(places) - min(places)) / 2
    half = max(0.1, half + 0.05)
    low, high = max(0.0, middle - half), min(1.0, middle + half)
    narrowed = one.within(low, high)
    return narrowed if narrowed.low < narrowed.high else one


def _scale(kind: str) -> tuple[Callable[[float], float], Callable[[float], float]]:
    """A range's scale, and its inverse."""
    if kind in ("log", "int_log"):
        return math.log, math.exp
    if kind == "one_minus_log":
        return lambda x: -math.log(1 - x), lambda x: 1 - math.exp(-x)
    return float, float
