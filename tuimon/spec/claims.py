"""What a preset claims about its own run and about what its text suggests to try, as data that a program can judge.

A claim compares a statistic of a logged tag with a number, or with a statistic of the same run, of another preset's run, or of
a run with other settings. It lies beside the text in the preset's TOML file:

    claims = [
      { tag = "loss/train", statistic = "end", relation = "<", number = 0.1 },
      { tag = "loss/val", relation = "<", times = 0.7, than = { preset = "overfit" } },
      { settings = ["lr=0.2"], tag = "loss/train", relation = "=", number = nan },
    ]

Knows no torch, and no log. Pure functions, any process and thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tuimon.base.errors import TuimonError
from tuimon.spec.presets import read_toml

Statistic = Literal["first", "last", "min", "max", "mean", "end", "step_below"]
Over = Literal["sum", "mean", "min", "max"]


class Told(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """A number read from a run's log.

    Attributes:
        tag: a tag of the log, such as `loss/val`; `*` stands for any characters, and `over` joins the values of several tags.
        statistic: `first`, `last`, `min`, `max` and `mean` of the values, NaN left out of all but the first two; `end`: the
            mean of the last twentieth of them; `step_below`: the first step with a value below `level`, or infinity.
        since, until: only values of these steps count; 0 as `until`: all.
        preset: whose run; empty: the preset that makes the claim.
        settings: overrides of that preset, as on the command line.
        steer: lever settings during the run, as `lr_scale=*0.5@100`: applied when 100 steps are complete.
    """

    tag: str = ""
    statistic: Statistic | None = None
    over: Over | None = None
    level: float = 0.0
    since: Annotated[int, Meta(ge=0)] = 0
    until: Annotated[int, Meta(ge=0)] = 0
    preset: str = ""
    settings: tuple[str, ...] | None = None
    steer: tuple[str, ...] | None = None


class Claim(Told, frozen=True, forbid_unknown_fields=True, omit_defaults=True, kw_only=True):
    """A statistic of a run, compared with a number or with another statistic.

    Attributes:
        relation: `=` also holds between NaN and NaN; `<` and `>` never hold for NaN.
        number: what to compare with, if `than` is absent.
        than: the other statistic; what it leaves out is as in the claim, but not its settings if it names a preset.
        times: multiplies the number or the other statistic.
        seeds: in how many of how many runs with different seeds it must hold.
    """

    relation: Literal["<", ">", "="]
    number: float | None = None
    than: Told | None = None
    times: float = 1.0
    seeds: tuple[Annotated[int, Meta(ge=1)], Annotated[int, Meta(ge=1)]] = (4, 5)

    @property
    def other(self) -> Told | None:
        """The complete other statistic; None if the claim compares with a number."""
        if self.than is None:
            return None
        own = {name: getattr(self, name) for name in Told.__struct_fields__}
        given = {name: getattr(self.than, name) for name in Told.__struct_fields__}
        if given["preset"] and given["preset"] != self.preset:
            own |= {"settings": None, "steer": None}
        defaults = {name: getattr(Told(), name) for name in Told.__struct_fields__}
        return Told(**{name: own[name] if given[name] == defaults[name] else given[name] for name in own})


def claims_of(path: Path) -> tuple[Claim, ...]:
    """The claims of a preset's file; none if it makes no claim.

    Raises:
        TuimonError: a claim has an unknown field, a wrong value, or nothing to compare with.
    """
    return tuple(_claim(path, number, data) for number, data in enumerate(read_toml(path).get("claims", ()), start=1))


def _claim(path: Path, number: int, data: Any) -> Claim:
    try:
        claim = msgspec.convert(data, Claim)
    except msgspec.ValidationError as error:
        raise TuimonError(f"{path}: claim {number}: {error}") from error
    if not claim.tag or (claim.number is None) == (claim.than is None):
        raise TuimonError(f"{path}: claim {number}: needs a tag, and either a number or `than`")
    return claim


def in_words(claim: Claim) -> str:
    """A claim in one line: `with lr=0.2: loss/train last = nan`."""
    right = f"{claim.number:g}" if claim.number is not None else _told(claim.other or Told(), claim)
    times = f"{claim.times:g} × " if claim.times != 1 else ""
    return f"{_variant(claim)}{_statistic(claim)} {claim.relation} {times}{right}"


def _told(other: Told, claim: Claim) -> str:
    where = f" of {other.preset}" if other.preset else ""
    changed = (other.settings or ()) + (other.steer or ())
    same = not other.preset and changed == (claim.settings or ()) + (claim.steer or ())
    how = "" if same or not changed else f" with {' '.join(changed)}"
    plain = " of the preset itself" if not changed and not other.preset and not same else ""
    return f"{_statistic(other)}{where}{how}{plain}"


def _variant(claim: Told) -> str:
    changed = (claim.settings or ()) + (claim.steer or ())
    return f"with {' '.join(changed)}: " if changed else ""


def _statistic(told: Told) -> str:
    kind = told.statistic or "last"
    over = f" ({told.over or 'sum'} over layers)" if "*" in told.tag else ""
    words = f"first step below {told.level:g}" if kind == "step_below" else kind
    span = (f" from step {told.since}" if told.since else "") + (f" up to step {told.until}" if told.until else "")
    return f"{told.tag} {words}{over}{span}"
