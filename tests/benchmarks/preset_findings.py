"""What the diagnosis says of presets' runs, beside what their texts say of them, preset by preset.

A preset whose text speaks of a fault must be told it by its name in each seed. Any other is healthy: nothing critical, and two
findings at most; what its text admits (a cure that does not cure all, a rate that only a schedule calms) may be named besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tuimon.diagnosis import diagnose
from tuimon.log.records import Finding
from tuimon.log.store import Store

MOST = 2  # findings of a healthy run

# What each faulty preset shows, by the rule's name; of several, each says it.
SHOWS = {
    "digits-mlp": ("over-fitting",),
    "activation-sigmoid": ("vanishing-gradient",),
    "dying-relu": ("dead-units",),
    "rate-constant": ("plateau",),
    "rate-too-large": ("rate-too-high", "diverging-loss"),
    "rate-too-small": ("rate-too-low",),
    "batchnorm-batch-2": ("tiny-batch-norm",),
    "inputs-raw": ("inputs-not-normalized",),
    "inputs-raw-layernorm": ("inputs-not-normalized",),
    "overfit": ("over-fitting",),
    "exploding-large-weights": ("exploding-gradient",),
    "hundred-matrices-explode": ("exploding-gradient",),
    "hundred-matrices-vanish": ("vanishing-gradient",),
    "vanishing-sigmoid": ("vanishing-gradient",),
    "vanishing-small-weights": ("vanishing-gradient",),
}

# What texts of others admit: named, it is no false alarm.
ADMITS = {
    "activation-relu": ("dead-units",),
    "dying-relu-cure-batchnorm": ("dead-units",),
    "dying-relu-cure-leaky": ("rate-too-high", "over-fitting"),
    "exploding-cure-clipping": ("exploding-gradient", "first-loss", "always-clipped", "over-fitting"),
    "few-labels-from-scratch": ("over-fitting",),
    "regression-diabetes": ("over-fitting",),
    **{
        f"overfit-cure-{cure}": ("over-fitting",)
        for cure in ("dropout", "noise", "weight-decay", "smaller", "l2", "augmentation")
    },
    **{f"rate-{schedule}": ("plateau",) for schedule in ("cosine", "inverse", "one-cycle", "plateau", "step")},
}


class Judged(NamedTuple):
    """A preset, and what was found in its runs.

    Attributes:
        preset: its name.
        runs: how many were looked at.
        named: in how many of them its fault was named; 0 of a healthy one.
        others: what else was told, by severity, rule and in how many runs.
        most: the greatest number of other findings in one run.
    """

    preset: str
    runs: int
    named: int
    others: dict[tuple[str, str], int]
    most: int

    @property
    def holds(self) -> bool:
        """Whether the fault is named in each run; of a healthy preset, whether it is left in peace."""
        if self.preset in SHOWS:
            return self.named == self.runs
        return self.most <= MOST and not any(severity == "critical" for severity, _ in self.others)


def judged(preset: str, stores: Sequence[Store]) -> Judged:
    """What today's rules say of a preset's runs."""
    found = [diagnose(store, again=True) for store in stores]
    named = sum(any(one.rule in SHOWS.get(preset, ()) for one in of_run) for of_run in found)
    others = [_others(preset, of_run) for of_run in found]
    counts: dict[tuple[str, str], int] = {}
    for pairs in others:
        for pair in pairs:
            counts[pair] = counts.get(pair, 0) + 1
    return Judged(preset, len(found), named, counts, max(map(len, others), default=0))


def _others(preset: str, found: Iterable[Finding]) -> set[tuple[str, str]]:
    """What is neither the preset's fault, nor admitted, nor explained by these."""
    own = {*SHOWS.get(preset, ()), *ADMITS.get(preset, ())}
    return {(one.severity, one.rule) for one in found if one.rule not in own and one.explained_by not in own}


def table(presets: Sequence[Judged]) -> str:
    """A row each, and the sums."""
    rows = [f"{'preset':28} {'shows':22} {'named':>7}  other findings (runs)"]
    for one in presets:
        others = ", ".join(f"{rule} {severity} {count}" for (severity, rule), count in sorted(one.others.items()))
        named = f"{one.named} of {one.runs}" if one.preset in SHOWS else f"– of {one.runs}"
        mark = "" if one.holds else "   ← does not hold"
        rows.append(f"{one.preset:28} {SHOWS.get(one.preset, '–')[0]:22} {named:>7}  {others or '–'}{mark}")
    faulty = [one for one in presets if one.preset in SHOWS]
    healthy = [one for one in presets if one.preset not in SHOWS]
    rows.append(
        f"\n{sum(one.holds for one in faulty)} of {len(faulty)} faulty presets are named in every run; "
        f"{sum(one.holds for one in healthy)} of {len(healthy)} healthy ones have nothing critical and at most {MOST} findings"
    )
    return "\n".join(rows)
