"""The lines of all `--json` outputs, as types: one object a line, with its `kind` and the version of the schema.

The same thing has the same name in every kind: `run` is a run's name, `loss` a mean over its latest training steps, `val_loss`
and `val_accuracy` are its last validation; wall times are seconds since the epoch, durations are `seconds`. What a log does not
tell, and what JSON cannot express (NaN, infinities), is null. A new field is no new version; a changed or removed one is.

docs/json.md describes them for people, `tuimon schema` prints their JSON Schema for programs.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from tuimon.launcher.runs.status import State
from tuimon.log.records import Event, Finding, Remedy, Severity

SCHEMA = 1

Number = float | None


class JsonLine(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What every line has."""

    schema: int = SCHEMA


class DamageOf(msgspec.Struct, frozen=True, kw_only=True):
    """A place where a log cannot be read."""

    path: str
    offset: int
    reason: str
    left_out: int
    bytes: int


class RunLine(JsonLine, frozen=True, kw_only=True, tag="run"):
    """A run in a list (`ls`)."""

    run: str
    path: str
    state: State
    detail: str = ""
    step: int = 0
    total_steps: int | None = None
    steps_per_epoch: int | None = None
    loss: Number = None
    val_loss: Number = None
    losses: tuple[Number, ...] = ()
    steps_per_second: Number = None
    device: str = ""
    model: str = ""
    optimizer: str = ""
    activation: str = ""
    first_wall: Number = None
    last_wall: Number = None
    config: dict[str, Any] = {}
    tags: tuple[str, ...] = ()
    note: str = ""
    damage: tuple[DamageOf, ...] = ()


class GroupLine(JsonLine, frozen=True, kw_only=True, tag="group"):
    """Runs that differ in their seed alone (`ls --seeds`): means, and standard deviations of one run (n - 1)."""

    runs: tuple[str, ...]
    seeds: int
    config: dict[str, Any]
    loss: Number
    loss_std: Number
    val_loss: Number
    val_loss_std: Number


class QueueLine(JsonLine, frozen=True, kw_only=True, tag="queue"):
    """A run on this machine, waiting or training (`queue`). `place` counts those that wait from 1; null: it trains."""

    run: str
    path: str
    place: int | None
    devices: tuple[str, ...]
    memory_bytes: int | None


class ResultLine(JsonLine, frozen=True, kw_only=True, tag="result"):
    """A run's row in a comparison (`compare`)."""

    run: str
    state: State
    step: int
    loss: Number
    val_loss: Number
    best_val_loss: Number
    val_accuracy: Number
    dead_fraction: Number
    seconds: Number
    val_r2: Number = None
    val_mae: Number = None


class GateLine(JsonLine, frozen=True, kw_only=True, tag="gate"):
    """A run judged beside the first one of a comparison (`compare --max-loss`, `--max-slower`).

    `loss_change` and `slowdown` are shares of the first run's loss and time of a step; below 0 it is better.
    """

    run: str
    baseline: str
    verdict: Literal["pass", "fail", "cannot compare"]
    reasons: tuple[str, ...] = ()
    loss_change: Number = None
    slowdown: Number = None


class CheckLine(JsonLine, frozen=True, kw_only=True, tag="check"):
    """One check before training (`check`)."""

    check: str
    verdict: Literal["pass", "warn", "fail"]
    number: str = ""
    text: str = ""
    points: tuple[tuple[float, Number], ...] = ()
    marks: tuple[tuple[float, str], ...] = ()


class PresetLine(JsonLine, frozen=True, kw_only=True, tag="preset"):
    """A preset (`presets`)."""

    preset: str
    title: str
    group: str
    text: tuple[str, ...]
    path: str


class MetricsLine(JsonLine, frozen=True, kw_only=True, tag="metrics"):
    """The scalars of one record of a log, by tag."""

    step: int
    wall_time: Number
    values: dict[str, Number]


class SeriesLine(JsonLine, frozen=True, kw_only=True, tag="series"):
    """All points of one tag, in order of their steps (`export`)."""

    run: str
    tag: str
    steps: list[int]
    wall_times: list[Number]
    values: list[Number]


class HistogramLine(JsonLine, frozen=True, kw_only=True, tag="histogram"):
    """A histogram over signed powers of two: `counts[56]` holds zero, and |x| below 2^-40."""

    tag: str
    step: int
    wall_time: Number
    counts: list[Number]
    min: Number
    max: Number


class TextLine(JsonLine, frozen=True, kw_only=True, tag="text"):
    """A text of a log."""

    tag: str
    step: int
    wall_time: Number
    text: str


class EventLine(JsonLine, frozen=True, kw_only=True, tag="event"):
    """One of tuimon's own records of a run: launched, started, applied, refused, checkpoint, ended, and more."""

    step: int
    wall_time: Number
    event: Event


class FindingLine(JsonLine, frozen=True, kw_only=True, tag="finding"):
    """What a rule found in a log."""

    step: int
    wall_time: Number
    finding: Finding


class DiagnosisLine(JsonLine, frozen=True, kw_only=True, tag="diagnosis"):
    """A finding of a run (`diagnose`): since which step the log shows it, when it was raised and, if it is over, cleared."""

    run: str
    rule: str
    severity: Severity
    layer: str
    text: str
    since: int
    raised: int
    cleared: int | None
    evidence: dict[str, Number]
    explained_by: str
    remedies: tuple[Remedy, ...]


class RuleLine(JsonLine, frozen=True, kw_only=True, tag="rule"):
    """A rule (`diagnose --rules`): what its finding means, which tags it reads, and its source."""

    rule: str
    severity: Severity
    meaning: str
    needs: tuple[str, ...]
    cites: str


class EndLine(JsonLine, frozen=True, kw_only=True, tag="end"):
    """The last line of a run that was followed (`run`, `resume`, `replay`, `attach`): how it ended."""

    state: State
    detail: str
    code: int
    step: int
    loss: Number
    val_loss: Number


class TrialLine(JsonLine, frozen=True, kw_only=True, tag="trial"):
    """A trial of a study (`search`): what was tried, how it ended and what it was worth."""

    run: str
    outcome: str
    value: Number
    values: dict[str, str]
    why: str = ""
    round: int = 0


class StudyLine(JsonLine, frozen=True, kw_only=True, tag="study"):
    """The last line of a search (`search`)."""

    study: str
    path: str
    objective: str
    goal: Literal["min", "max"]
    trials: int
    outcomes: dict[str, int]
    best: str = ""
    value: Number = None


AnyLine = (
    RunLine
    | GroupLine
    | QueueLine
    | ResultLine
    | GateLine
    | CheckLine
    | PresetLine
    | MetricsLine
    | SeriesLine
    | HistogramLine
    | TextLine
    | EventLine
    | FindingLine
    | DiagnosisLine
    | RuleLine
    | EndLine
    | TrialLine
    | StudyLine
)  # fmt: skip

_encode = msgspec.json.Encoder(decimal_format="number").encode


def encoded(line: JsonLine) -> bytes:
    """One line of JSON, with its newline; NaN and infinities are null."""
    return _encode(line) + b"\n"


def json_schema() -> dict[str, Any]:
    """The JSON Schema of a line of any kind."""
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A line of tuimon's JSON output"}
    return head | {"version": SCHEMA} | msgspec.json.schema(AnyLine)
