"""The monitor of one run, inside the training process.

The optimizer's step hooks tell it where one step ends and the next begins. It writes the run's log, serves it on a socket,
samples the layers and moves the levers. Commands take effect at a boundary: at each call of `log` between two steps, and where
the optimizer's step begins. Whatever fails in here is reported once, and training goes on.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import msgspec
from torch import nn
from torch.optim import Optimizer

from tuimon.base.bounds import Bounds, bounds_of
from tuimon.base.errors import TuimonError
from tuimon.base.folder_lock import FolderLock
from tuimon.base.format import count
from tuimon.diagnosis import VERSION
from tuimon.diagnosis.keeper import BY
from tuimon.diagnosis.pilot import LEVER
from tuimon.log.records import STEERING_FILE, Command, Ended, Event, LeverValue, Notice, RunStarted
from tuimon.log.writer import LogWriter
from tuimon.monitor import describe, ending
from tuimon.monitor.actions import Actions
from tuimon.monitor.around import Around
from tuimon.monitor.checkpoint import Checkpoints
from tuimon.monitor.companions import Companions, weakly
from tuimon.monitor.folder import planned_steering
from tuimon.monitor.guard import Guard
from tuimon.monitor.levers.desk import Answer, Desk
from tuimon.monitor.levers.levers import Done, Lever, Levers
from tuimon.monitor.levers.repairs import Dead, declare_repairs
from tuimon.monitor.levers.scope import StepScope
from tuimon.monitor.levers.standard import declare_standard, own_lever
from tuimon.monitor.piloting import autopilot_lever
from tuimon.monitor.probe.layers import Layer, gains
from tuimon.monitor.probe.probe import Probe
from tuimon.monitor.probe.transfers import Transfers
from tuimon.monitor.samples import USUAL
from tuimon.monitor.scalars import Scalars, scalar_tag
from tuimon.monitor.steps import Steps
from tuimon.monitor.validations import Validations

HOLD_S = 0.05  # longest time that a step's scalars wait to be written together with the next steps'


class Monitor:
    """One watched run; made by `watch`.

    For the training thread, but for `event`, `notice`, `send` and `request_stop`, which any thread may call.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: Optimizer,
        run_dir: Path,
        lock: FolderLock,
        settings: Mapping[str, float],
        budget: float,
        autopilot: Bounds | None = None,
    ) -> None:
        self.levers = Levers(describe.processes_together)
        self._model, self._optimizer, self._lock = model, optimizer, lock
        self._writer = LogWriter(run_dir, "run", HOLD_S, scalar_tag)
        self._checkpoints = Checkpoints(self._writer, model, optimizer)
        self._guard = Guard(lambda text: self.notice(text, "error"))
        self._actions = Actions(self._save, self.rewind, self._leave, self._resume)
        self._desk = Desk(self.levers, self.event)
        self._steps = self._make_steps(settings, budget)
        self._companions = Companions(self._writer, self._steps, self._desk, self._guard, weakly(self._warn))
        self.validations = Validations(self._writer, self._steps, model, self._guard)
        self._bounds, self._piloted = autopilot or Bounds(), autopilot is not None
        self._started: RunStarted | None = None

    @property
    def run_dir(self) -> Path:
        """The run's folder, also after somebody has moved it."""
        return self._writer.folder

    @property
    def step(self) -> int:
        """Optimizer steps that are complete."""
        return self._steps.done

    @property
    def stepping(self) -> bool:
        """Whether the optimizer's step is under way."""
        return self._steps.inside

    @property
    def stop_requested(self) -> bool:
        """Whether a graceful stop was asked for. A script that reads this is trusted to stop by itself."""
        self._actions.cooperative = True
        return self._actions.stop_requested

    def watches(self, optimizer: Optimizer) -> bool:
        """Whether this optimizer's steps are the run's."""
        return self._optimizer is optimizer

    def is_in(self, folder: Path) -> bool:
        """Whether the run's folder is this one."""
        return os.path.realpath(self.run_dir) == os.path.realpath(folder)

    def log(self, metrics: Mapping[str, Any] | None = None, /, *, step: int | None = None, **more: Any) -> None:
        """Logs numbers of the current step, as one record with its learning rate and throughput; on disk within `HOLD_S`.

        `loss`, `val_loss`, `accuracy` and `val_accuracy` go to `loss/train`, `loss/val`, …; other names are tags as they are.
        Tensors on a GPU are not waited for: they are written when they arrive, under this step. Also a boundary: a paused run
        waits here.

        Args:
            metrics: numbers or tensors of one element, by name.
            step: the step that they belong to; the completed steps when left out.
            more: the same as `metrics`.
        """
        self._steps.log(step, more if metrics is None else self._together(metrics, more))

    def log_confusion(self, counts: Any, classes: Sequence[str] = (), split: str = "val") -> None:
        """Logs a confusion matrix at the current step, for `tuimon plot --kind confusion`.

        Args:
            counts: [C, C], C at most 50: of each class (row), how many examples were taken for which (column); a tensor or
                nested sequences. A tensor on a GPU is waited for.
            classes: names of the classes; numbers when left out.
            split: what was validated on.
        """
        self.validations.confusion(counts, classes, split)

    def samples(
        self,
        inputs: Any,
        targets: Any,
        outputs: Any,
        losses: Any = None,
        *,
        classes: Sequence[str] = (),
        columns: Sequence[str] = (),
        split: str = "val",
        most: int = USUAL,
    ) -> None:
        """Logs, of one validation, the examples with the highest loss and those that are wrong with the most confidence.

        `tuimon look` and the run's screen show them; TensorBoard has the pictures among its images. To be called at each
        validation: of n calls for a split, about 8 ln n are logged. Tensors on a GPU are waited for.

        Args:
            inputs: [N, C, H, W] or [N, H, W]: pictures; [N, D]: a table; integers [N, T]: numbers of characters of a text.
            targets: class numbers [N] (of text [N, T]), or values [N] or [N, K].
            outputs: scores of classes [N, C] (of text [N, T, C]) before the softmax, or values of the targets' shape.
            losses: [N]; None: the cross-entropy, or the mean squared error.
            classes: names of the classes, or the character of each number; numbers when left out.
            columns: names of a table's columns.
            split: what was validated on.
            most: how many of each kind, at most 32.
        """
        self.validations.examples(inputs, targets, outputs, losses, split, most=most, classes=classes, columns=columns)

    def on(self, action: Literal["checkpoint", "rewind", "stop"], handler: Callable[..., object]) -> None:
        """Registers `handler` for an action. It runs at a boundary; what it returns is the answer's note, e.g. a path.

        That of `rewind` is given the name of a checkpoint, or an empty string for the best one.
        """
        self._actions.on(action, handler)

    def add_lever(
        self,
        name: str,
        get: Callable[[], LeverValue],
        put: Callable[[Any], None],
        *,
        low: float | None = None,
        high: float | None = None,
        choices: tuple[str, ...] = (),
        about: str = "",
    ) -> None:
        """Declares a lever of the script's own. `get` and `put` are called on the training thread, at a boundary.

        A bool makes a switch, a text a choice among `choices`, a number a number from `low` to `high`.
        """
        if name in self.levers:
            raise TuimonError(f"There is a lever {name!r} already.", "Choose another name.")
        self.declare(own_lever(name, get, put, low, high, choices, about))

    def declare(self, *levers: Lever) -> None:
        """Declares levers that are made already, such as those of `tuimon.training.swapping`."""
        for lever in levers:
            self.levers.declare(lever)
        self._steps.attend()
        self._announce()

    def switch(self, lever: str, on: bool, by: str) -> None:
        """Switches a number lever on or off for the script's own plan, and logs it; `by` says whose. Nothing can be undone."""
        applied = self.levers.switch(lever, on)
        self._steps.attend()
        self.event(msgspec.structs.replace(applied, step=self.step, by=by))

    def describe(self) -> None:
        """Finds the layers and writes the description again, after the script has changed model or levers between two steps."""
        self._probe.look_again()
        self._announce()

    def event(self, event: Event) -> None:
        """Logs a structured record."""
        self._writer.event(event, self.step)

    def notice(self, text: str, level: Literal["info", "warning", "error"] = "info") -> None:
        """Logs a notice for the user."""
        self.event(Notice(text=text, level=level, step=self.step))

    def _warn(self, text: str) -> None:
        self.notice(text, "warning")

    def send(self, command: Command, reply: Callable[[Answer], None] = lambda _: None) -> None:
        """Submits a command, as a viewer would; `reply` gets the answer on the training thread."""
        self._desk.submit(command, reply)

    def request_stop(self, by: str = "") -> None:
        """Requests a graceful stop and ends a pause. Safe in a signal handler."""
        self.send(Command("stop", "do", by=by))

    def rewind(self, checkpoint: str = "") -> Done:
        """Goes back to a checkpoint's weights and optimizer state; step, schedule and levers go on. At a boundary.

        Args:
            checkpoint: `best` or nothing, `first`, or the name of a file in the run's folder `checkpoints`.

        Raises:
            RefusedError: there is no such checkpoint, or it does not fit the model.
        """
        saved = self._checkpoints.find(checkpoint, self.step)
        self._checkpoints.restore(saved)
        self._scope.stale = self._desk.mid_step
        self._steps.attend()
        return Done(f"{saved.path}, of step {count(saved.step)}", saved.path)

    def checkpoint(self, name: str = "") -> str:
        """The path, in the run's folder, of the checkpoint that `rewind` would go back to; raises as that does."""
        return self._checkpoints.find(name, self.step).path

    def state_dict(self) -> dict[str, Any]:
        """The step, the autopilot's bounds and the levers' state, in plain types."""
        return {"step": self.step, "autopilot": str(self._bounds), **self.levers.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues from a checkpoint: restores its step, its levers, and the autopilot's bounds unless it was given some."""
        if "autopilot" in state and not self._piloted:
            self._bound(bounds_of(str(state["autopilot"])))
        self._steps.done = int(state["step"])
        self._desk.skip_to(self._steps.done)
        self.levers.load_state_dict(state)
        self._steps.begin()
        self._announce(self.step)

    def close(self, how: ending.How = "finished", reason: str = "") -> None:
        """Writes what is left, logs how the run ended, and releases model and optimizer. Harmless when repeated."""
        if self._steps.quiet:
            return
        ending.leave(self)
        if how != "failed" and self._actions.stop_requested:
            how, reason = "stopped", "asked to stop"
        attempt = self._guard.attempt
        attempt(self._steps.close)
        attempt(self.levers.release)
        self._companions.say_last()
        attempt(lambda: self.event(Ended(how=how, reason=reason, step=self.step)))
        self._companions.hang_up()
        attempt(self._writer.close)
        attempt(self._lock.release)

    def leave_now(self, how: ending.How, reason: str) -> None:
        """Writes what is left and logs how the run ended, without waiting for anybody: the process ends at once. Any thread."""
        if not self._steps.quiet:
            self._writer.last_words(lambda: self._say_last(how, reason))

    def _say_last(self, how: ending.How, reason: str) -> None:
        if how == "finished" and self._actions.stop_requested:
            how, reason = "stopped", "asked to stop"
        self._guard.attempt(self._steps.hand_over)
        self.event(Ended(how=how, reason=reason, step=self.step))
        self._companions.unlink()

    def become_inert(self) -> None:
        """Makes a forked child's copy do nothing, and closes its copies of the sockets."""
        self._steps.fall_silent()
        self._companions.forget()

    def __del__(self) -> None:
        """Ends a run whose model, optimizer and monitor nobody has any more."""
        if hasattr(self, "_steps"):
            self.close()

    def __enter__(self) -> Monitor:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close(*ending.how_it_ends(error))

    def _together(self, metrics: Any, more: dict[str, Any]) -> dict[str, Any]:
        try:
            return {**metrics, **more}
        except TypeError:
            self._guard.report("log", TypeError(f"{type(metrics).__name__} without a name; it is monitor.log(loss=…)"))
            return more

    def _make_steps(self, settings: Mapping[str, float], budget: float) -> Steps:
        scope, transfers = StepScope(self._optimizer), Transfers()
        self._scope = scope
        declare_standard(self.levers, self._model, scope, settings, self._actions.by_name())
        self._probe = probe = Probe(self._model, self._writer, transfers, budget, self._guard.report, self.notice)
        declare_repairs(
            self.levers,
            self._model,
            scope,
            lambda: [_dead(*one) for one in probe.dead_units()],
            lambda: gains(self._model),
            lambda: steps.done,
        )
        scalars = Scalars(self._writer, transfers, self._warn)
        steps = Steps(self._optimizer, Around(scope, self._desk, probe, self._guard), scalars, self._guard)
        return steps

    def start(self, started: RunStarted, serve: bool, meters: bool, diagnose: bool) -> None:
        """Writes the run's description, opens its socket and meters, and begins to count steps; once, by `watch`."""
        self._started = msgspec.structs.replace(started, diagnosis=VERSION if diagnose else 0)
        if diagnose:
            self.levers.declare(autopilot_lever(self._bounds, self._piloted))
        if serve:
            self._guard.attempt(self._companions.serve)
            self._guard.attempt(self._companions.look_into_folder)
        self._announce()
        if self._companions.socket_error:
            self.notice(f"this run cannot be steered: {self._companions.socket_error}", "warning")
        if self._lock.error:
            self.notice(f"cannot prevent a second training in this folder: {self._lock.error}", "warning")
        if meters:
            self._guard.attempt(self._companions.meter)
        if diagnose:
            self._guard.attempt(lambda: self._companions.diagnose(self._bounds))
        self._plan()
        if diagnose and self._piloted:  # a place to go back to, from before whatever goes wrong
            self._desk.submit_alone(Command("checkpoint", "do", by=BY))
        self._steps.begin()
        ending.watch_over(self)

    def _bound(self, bounds: Bounds) -> None:
        self._bounds = bounds
        if LEVER in self.levers:
            self.levers.declare(autopilot_lever(bounds, False))
            self._companions.bound(bounds)

    def _plan(self) -> None:
        try:
            self._desk.plan(planned_steering(self.run_dir))
        except (OSError, ValueError) as error:
            self.notice(f"cannot read {STEERING_FILE}, so none of its commands are carried out: {error}", "warning")

    def _announce(self, first_step: int = 0) -> None:
        """Writes the run's description, again whenever it has changed; the last one counts."""
        if self._started is not None:
            self._started = msgspec.structs.replace(
                self._started,
                socket=self._companions.socket,
                socket_error=self._companions.socket_error,
                inbox=self._companions.has_inbox,
                parameters=sum(layer.info().parameters for layer in self._probe.layers),
                layers=describe.layer_infos(self._model, self._probe.layers),
                levers=self.levers.infos(),
                first_step=first_step or self._started.first_step,
            )
            self.event(self._started)

    def _leave(self, error: BaseException) -> None:
        """Ends the training loop by an exception. Logs once that a script has caught it and continues."""
        asked_at, told = self.step, False

        def goes_on() -> None:
            nonlocal told
            if not told:
                end_it = f"`tuimon stop --now {self.run_dir.name}` ends it"
                self.notice(f"asked to stop at step {count(asked_at)}, still training; {end_it}", "warning")
            told = True

        self._steps.leaving.ask(error, goes_on)

    def _resume(self) -> None:
        """Ends a pause that a stop was asked for in; it is logged like any other resume."""
        if self.levers["paused"]:
            self.send(Command("paused", "off", by="stop"))

    def _save(self) -> str:
        return self._checkpoints.save(self.step, self.state_dict())


def _dead(layer: Layer, units: list[int]) -> Dead:
    return Dead(layer.name, layer.module, units, layer.weight_dim)
