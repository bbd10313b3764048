"""The structured records of a run's log, as plain frozen types.

Imported by everything that writes a log (the training process, the supervisor) or reads one (the screen, the headless printer,
the diagnosis). Knows nothing of bytes, files, sockets, torch or the screen.

The structured records (`Notice`, `Applied`, ...) are written as JSON inside TensorBoard text summaries; `kind` in the JSON
tells them apart. Times are seconds since the epoch (float); steps are counts of completed optimizer steps.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

import msgspec

from tuimon.base.process import Process

RUN_TAG = "tuimon/run"
EVENT_TAG = "tuimon/event"
FINDING_TAG = "tuimon/finding"
STEERING_FILE = "steering.json"  # in a run's folder: a list of `Planned`, for a run that repeats what was done to another

BY_SPEC = "the spec"  # who moved a lever, where the run's own plan did

LeverValue = float | bool | str | None
Count = Annotated[int, msgspec.Meta(ge=0, le=(1 << 62) - 1)]  # fits in numpy's int64, also with another one added
Whole = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]


class LeverInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A lever as a run declares it: its type, its bounds and its current value.

    `type` is `number` (bounds in `low`, `high`, either may be None), `switch` (True or False), `choice` (one of
    `choices`) or `action` (it runs once per command, and has no value; `takes` says what a command may give it, in words).
    A number lever with `enabled` False keeps its value while it is switched off.
    """

    name: str
    type: Literal["number", "switch", "choice", "action"]
    value: LeverValue = None
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    enabled: bool = True
    regularizer: bool = False
    help: str = ""
    takes: str = ""  # of an action


class LayerInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """A named module that owns parameters."""

    name: str
    type: str
    parameters: Count = 0
    units: Count = 0  # outputs: neurons, or channels of a convolution; 0 where the notion does not apply
    activation: str = ""  # the activation seen to follow it; empty until one is seen
    trainable: bool = True


class Launched(msgspec.Struct, frozen=True, tag="launched", tag_field="kind", omit_defaults=True):
    """The supervisor is about to start the training process (first record of the supervisor's own file)."""

    name: str
    command: tuple[str, ...]
    cwd: str
    supervisor: Process
    user: str = ""
    device: str = ""
    spec: dict[str, Any] | None = None
    words: tuple[str, ...] = ()  # of a user's own program, what follows `tuimon run` to start it again
    on: str = ""  # the engine that holds it, and its job there: "slurm/42"; empty for this machine's own
    uncommitted: bool | None = None  # whether tracked files around `cwd` differ from the commit; None: not known


class Queued(msgspec.Struct, frozen=True, tag="queued", tag_field="kind", omit_defaults=True):
    """The run waits for a device. `Launched` follows once more, when its turn has come."""

    on: str = "local"  # the engine that holds it
    wants: str = ""  # what it waits for: "cpu", "cuda:0 or cuda:1 with 8 GiB"


class Spawned(msgspec.Struct, frozen=True, tag="spawned", tag_field="kind", omit_defaults=True):
    """The supervisor has started the training process, which has not written a record of its own yet."""

    process: Process


class RunStarted(msgspec.Struct, frozen=True, tag="started", tag_field="kind", omit_defaults=True):
    """The monitor inside the training process is attached (first record of the training process's file)."""

    name: str
    process: Process
    command: tuple[str, ...] = ()
    cwd: str = ""
    user: str = ""
    socket: str = ""  # path of the Unix socket that serves this run; empty when there is none
    socket_error: str = ""  # why there is none
    inbox: bool = False  # whether it looks for commands in its folder, too
    device: str = ""  # cpu, cuda:0
    device_name: str = ""  # NVIDIA H200
    model: str = ""
    optimizer: str = ""
    parameters: Count = 0
    layers: tuple[LayerInfo, ...] = ()
    levers: tuple[LeverInfo, ...] = ()
    total_steps: Count | None = None
    steps_per_epoch: Count | None = None
    first_step: Count = 0  # above 0 when resumed
    spec: dict[str, Any] | None = None
    config: dict[str, Any] | None = None
    versions: dict[str, str] = {}
    git_commit: str = ""
    uncommitted: bool | None = None  # as in `Launched`, where no supervisor has looked
    seed: Whole | None = None
    diagnosis: Count = 0  # version of the rules that this process applies to its own log; 0: it applies none


class Applied(msgspec.Struct, frozen=True, tag="applied", tag_field="kind", omit_defaults=True):
    """A command took effect before optimizer step `step` + 1 (`step` steps were complete)."""

    step: Count
    lever: str
    old: LeverValue = None
    new: LeverValue = None
    old_enabled: bool = True
    new_enabled: bool = True
    by: str = ""
    id: str = ""
    note: str = ""  # what was read back: "lr 0.001 → 0.0005", or what an action did: a file's path
    mid_step: bool = False  # between the forward pass of the coming step and its update


class Refused(msgspec.Struct, frozen=True, tag="refused", tag_field="kind", omit_defaults=True):
    """A command had no effect, and why."""

    step: Count
    lever: str
    value: LeverValue = None
    reason: str = ""
    by: str = ""
    id: str = ""


class StopAsked(msgspec.Struct, frozen=True, tag="asked", tag_field="kind", omit_defaults=True):
    """The training loop was asked to stop when `step` steps were complete; `Applied` follows when the training has ended."""

    step: Count
    by: str = ""
    id: str = ""


class CheckpointSaved(msgspec.Struct, frozen=True, tag="checkpoint", tag_field="kind", omit_defaults=True):
    """A checkpoint file is complete on disk; `path` is relative to the run's folder."""

    step: Count
    path: str
    reason: Literal["last", "best", "asked"] = "last"


class Forked(msgspec.Struct, frozen=True, tag="forked", tag_field="kind", omit_defaults=True):
    """The run goes on from another run's checkpoint. What its log has up to `step` is the other run's."""

    run: str  # the other run's name
    path: str  # its folder, as it was then
    step: Count


class Notice(msgspec.Struct, frozen=True, tag="notice", tag_field="kind", omit_defaults=True):
    """Something the user should know, from the monitor or the trainer."""

    text: str
    level: Literal["info", "warning", "error"] = "info"
    step: Count = 0
    run: str = ""  # the further run that it announces


class Gap(msgspec.Struct, frozen=True, tag="gap", tag_field="kind", omit_defaults=True):
    """Records that could not be written (disk full); logged once writing works again."""

    records: Count
    reason: str
    first_step: Count = 0
    last_step: Count = 0


class Ended(msgspec.Struct, frozen=True, tag="ended", tag_field="kind", omit_defaults=True):
    """The training process reports its end."""

    how: Literal["finished", "stopped", "failed", "killed"]
    reason: str = ""
    step: Count = 0


class Exited(msgspec.Struct, frozen=True, tag="exited", tag_field="kind", omit_defaults=True):
    """The supervisor reports how the process ended: by an exit code or a signal's number, never both."""

    code: Whole | None = None
    signal: Whole | None = None
    out_of_memory: bool = False
    reason: str = ""  # why it could not even be started
    error: str = ""  # the exception that ended a process which no monitor watched
    unwatched: str = ""  # why nothing could be watched; empty where something was


class Remedy(msgspec.Struct, frozen=True, omit_defaults=True):
    """Lever settings that may fix a finding, and a line that says why."""

    levers: dict[str, LeverValue]
    why: str = ""


Severity = Literal["critical", "warning", "hint"]
_FORMER = {"error": "critical", "info": "hint"}  # what logs of earlier versions call them


class Finding(msgspec.Struct, frozen=True, tag="finding", tag_field="kind", omit_defaults=True):
    """Something a rule found in the log. Logged once when it is raised, and once more, with `cleared`, when it is gone.

    A finding that gets worse is logged again with its new severity.

    Attributes:
        step: from which step on the log shows it.
        rule: the rule's stable name.
        text: one line for the user.
        layer: where, if at one layer; of several, the first.
        severity: critical (the run is lost or learns nothing), warning (it costs a lot), hint.
        remedy: the lever settings of the first remedy.
        raised: the step at which it had held for long enough to be told.
        cleared: the step at which it had been gone for long enough; None while it holds.
        evidence: the measured numbers that it rests on, by name; those that are finite.
        explained_by: the rule whose finding is the cause of this one; empty if none is known.
        remedies: what may help, in the order to try.
    """

    step: Count
    rule: str
    text: str
    layer: str = ""
    severity: Literal["critical", "warning", "hint", "error", "info"] = "warning"
    remedy: dict[str, LeverValue] = {}
    raised: Count = 0
    cleared: Count | None = None
    evidence: dict[str, float] = {}
    explained_by: str = ""
    remedies: tuple[Remedy, ...] = ()

    def __post_init__(self) -> None:
        """Gives a severity of an earlier version its present name; leaves out numbers that JSON cannot hold."""
        if former := _FORMER.get(self.severity):
            msgspec.structs.force_setattr(self, "severity", former)
        if not all(map(math.isfinite, self.evidence.values())):
            finite = {name: value for name, value in self.evidence.items() if math.isfinite(value)}
            msgspec.structs.force_setattr(self, "evidence", finite)

    @property
    def state(self) -> Literal["raised", "cleared"]:
        """Whether this says that the finding has come, or that it has gone."""
        return "raised" if self.cleared is None else "cleared"


Event = (
    Launched
    | Queued
    | Spawned
    | RunStarted
    | Applied
    | Refused
    | StopAsked
    | CheckpointSaved
    | Forked
    | Notice
    | Gap
    | Ended
    | Exited
    | Finding
)


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """A viewer's request to a run: move one lever.

    `op` is `set` (to `value`), `multiply` (a number, by `value`), `on`, `off` or `toggle` (a number lever keeps its value
    while off), `default` (back to what it was at the start) or `do` (an action). `id` makes a repeated send harmless.
    """

    lever: str
    op: Literal["set", "multiply", "on", "off", "toggle", "default", "do"] = "set"
    value: LeverValue = None
    by: str = ""
    id: str = ""


class Planned(msgspec.Struct, frozen=True, omit_defaults=True):
    """A command to apply when `step` steps are complete; `mid_step` as in `Applied`."""

    step: Count
    command: Command
    mid_step: bool = False


def tag_of(event: Event) -> str:
    """The TensorBoard tag under which an event is written."""
    if isinstance(event, Launched | Queued | Spawned | RunStarted):
        return RUN_TAG
    return FINDING_TAG if isinstance(event, Finding) else EVENT_TAG
