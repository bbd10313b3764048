"""What a study is: what is trained, what is varied, how, for how long, and what counts. As TOML, `study.toml`.

Knows no Optuna. The study keeps its own copy of the spec that it varies, so that its trials can be compared whatever happens to
the original.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta

from tuimon.base.errors import TuimonError
from tuimon.search.space import Dimension, dimension
from tuimon.search.study_file import STUDY_FILE
from tuimon.spec.presets import read_toml

BASE_FILE, JOURNAL_FILE = "base.toml", "journal.log"
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|m|h|d)")
_SECONDS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_TRIALS = re.compile(r"(\d{1,7})(?:\s*trials?)?")
_UNTIL = re.compile(r"(?:until\s+)?(?P<tag>[^<>=\s]+)\s*(?P<op>[<>])=?\s*(?P<limit>\S+)")
_BUDGET = "A budget is '2h', '50 trials', 'until loss/val<0.1', or several of them with commas."


class Objective(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a trial is worth: one number of its curve of a tag."""

    tag: str = "loss/val"
    goal: Literal["min", "max"] = "min"
    of: Annotated[str, Meta(pattern=r"^(best|last|mean:[1-9]\d{0,5})$")] = "best"

    def better(self, one: float, other: float) -> bool:
        """Whether one value is better than another; anything is better than NaN."""
        if math.isnan(one) or math.isnan(other):
            return not math.isnan(one)
        return one < other if self.goal == "min" else one > other

    def value(self, points: Sequence[float]) -> float:
        """The number for a curve; NaN if there is none. The best is among the finite ones."""
        if not points:
            return math.nan
        if self.of == "last":
            return points[-1]
        if self.of.startswith("mean:"):
            last = points[-int(self.of[5:]) :]
            return sum(last) / len(last)
        finite = [point for point in points if math.isfinite(point)]
        return (min(finite) if self.goal == "min" else max(finite)) if finite else math.nan


class Budget(NamedTuple):
    """When a search starts no more trials; what is None does not matter.

    Attributes:
        trials: how many there are in all.
        seconds: how long this search runs.
        until: a value of the objective that is good enough.
    """

    trials: int | None = None
    seconds: float | None = None
    until: float | None = None


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=False):
    """A study. `program` are the words that start a user's program, with `{name}` for what is varied; else a spec is varied."""

    source: str = ""
    program: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()
    space: dict[str, str] = {}
    sampler: Literal["random", "grid", "tpe", "fine"] = "random"
    pruner: Literal["none", "median", "halving"] = "none"
    rounds: Annotated[int, Meta(ge=2, le=20)] = 3
    seed: Annotated[int, Meta(ge=0, lt=2**32)] = 0
    objective: Objective = Objective()
    budget: str = "20 trials"
    cwd: str = ""

    @property
    def dimensions(self) -> list[Dimension]:
        """What is varied."""
        return [dimension(name, text) for name, text in self.space.items()]

    def limits(self) -> Budget:
        """The budget, read."""
        return budget(self.budget, self.objective)

    def to_toml(self) -> str:
        """The file's content."""
        import tomli_w

        return tomli_w.dumps(msgspec.to_builtins(self))

    def fingerprint(self, base: str) -> str:
        """What must stay the same while a study goes on, as one word; budget and pruner may change."""
        fixed = msgspec.structs.replace(self, budget="", pruner="none", source="")
        return hashlib.sha256(msgspec.json.encode(fixed) + base.encode()).hexdigest()[:16]


def plan_of(data: dict[str, Any], where: str) -> Plan:
    """Checks a plan.

    Raises:
        TuimonError: one line that names the file and the key.
    """
    try:
        plan = msgspec.convert(data, Plan)
        if not plan.space:
            raise TuimonError("nothing is varied; [space] is empty", "For example: lr = 'log(1e-5, 1e-1)'")
        _ = plan.dimensions
        if plan.limits().trials is None and plan.sampler in ("grid", "fine"):
            raise TuimonError(f"sampler = {plan.sampler!r}: needs a number of trials in its budget", _BUDGET)
    except msgspec.ValidationError as error:
        raise TuimonError(f"{where}: {error}") from error
    except TuimonError as error:
        raise TuimonError(f"{where}: {error.message}", error.hint) from error
    return plan


def read_plan(folder: Path) -> Plan:
    """The plan of a study.

    Raises:
        TuimonError: it cannot be read, or is wrong.
    """
    path = folder / STUDY_FILE
    return plan_of(read_toml(path), str(path))


def budget(text: str, objective: Objective) -> Budget:
    """Reads a budget, such as `2h, 50 trials, until loss/val<0.1`.

    Raises:
        TuimonError: it is none.
    """
    found = Budget()
    for part in filter(None, (part.strip() for part in text.split(","))):
        if match := _TRIALS.fullmatch(part):
            found = found._replace(trials=int(match[1]))
        elif match := _DURATION.fullmatch(part):
            found = found._replace(seconds=float(match[1]) * _SECONDS[match[2]])
        elif match := _UNTIL.fullmatch(part):
            found = found._replace(until=_limit(match["tag"], match["op"], match["limit"], part, objective))
        else:
            raise TuimonError(f"Cannot read the budget {part!r}.", _BUDGET)
    if found == Budget() or found.trials == 0:
        raise TuimonError(f"The budget {text!r} is empty.", _BUDGET)
    return found


def _limit(tag: str, op: str, text: str, part: str, objective: Objective) -> float:
    try:
        limit = float(text)
    except ValueError:
        raise TuimonError(f"Cannot read the budget {part!r}.", _BUDGET) from None
    if tag != objective.tag or (op == "<") != (objective.goal == "min"):
        wanted = f"{objective.tag}{'<' if objective.goal == 'min' else '>'}{text}"
        raise TuimonError(f"The budget {part!r} is not about the objective.", f"Write until {wanted}, or change the objective.")
    return limit
