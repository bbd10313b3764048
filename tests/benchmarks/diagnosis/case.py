"""A case of the labelled set: a training, what was done to it, and the name of that."""

from __future__ import annotations

import dataclasses
import random
from dataclasses import dataclass, field
from typing import Any

from benchmarks.diagnosis.recipe import Recipe, settled, varied


@dataclass(frozen=True)
class Case:
    """One labelled training.

    Attributes:
        name: unique.
        recipe: the healthy training: of a fault, the twin.
        kind: what is done to it, a name in `kinds.KINDS`; empty where nothing is.
        change: the choices that make the fault; ranges are settled.
        beside: kinds that may be named as well, beyond those of the kind.
        also: kinds whose name finds the fault, too: what was done has two names.
        curable: whether a lever that tuimon has can mend it while it runs.
        worse_by: what of the fault's run must be worse than the twin's: learning, step_s, grown_bytes.
        odd: what of a healthy run looks odd.
    """

    name: str
    recipe: Recipe
    kind: str = ""
    change: dict[str, Any] = field(default_factory=dict)
    beside: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    curable: bool = False
    worse_by: str = "learning"
    odd: str = ""

    @property
    def faulty(self) -> Recipe:
        """The recipe with the fault in it."""
        return dataclasses.replace(self.recipe, **self.change)


def drawn(case: Case, holdout: int | None) -> Case:
    """The case as the set has it; or as hold-out number `holdout` has it, with other seeds, sizes, rates and strengths."""
    if holdout is None:
        return dataclasses.replace(case, change=settled(case.change, None))
    dice = random.Random(f"{holdout} {case.name}")
    recipe = varied(case.recipe, dice)
    return dataclasses.replace(case, recipe=recipe, change=settled(_followed(case, recipe, settled(case.change, dice)), dice))


def _followed(case: Case, recipe: Recipe, change: dict[str, Any]) -> dict[str, Any]:
    """A change of the number of steps keeps its proportion to those of the twin, which the hold-out changes."""
    if "steps" not in change:
        return change
    return change | {"steps": max(1, round(change["steps"] * recipe.steps / case.recipe.steps))}


def fault(
    kind: str,
    name: str,
    recipe: Recipe,
    *,
    curable: bool = False,
    beside: str = "",
    also: str = "",
    by: str = "learning",
    **change: Any,
) -> Case:
    """A faulty training: the recipe of its healthy twin, and what is changed."""
    return Case(f"{kind}/{name}", recipe, kind, change, tuple(beside.split()), tuple(also.split()), curable, by)


def healthy(name: str, recipe: Recipe, odd: str = "") -> Case:
    """A healthy training, and what of it looks odd."""
    return Case(f"healthy/{name}", recipe, odd=odd)
