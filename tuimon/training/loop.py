"""The trainer: trains a spec, and uses `tuimon.watch` like any user's script.

Runs on the main thread of the training process. The batches of an epoch depend on (seed, epoch) only, and all other state is in
the checkpoint, so on a CPU a run that was stopped and resumed ends with exactly the weights of an uninterrupted one.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import torch
from torch import Tensor, nn

import tuimon
from tuimon.base.errors import TuimonError
from tuimon.log.path import PREFIX
from tuimon.log.records import BY_SPEC, Forked
from tuimon.monitor.samples import Chooser
from tuimon.spec.loading import save_spec
from tuimon.spec.spec import Spec
from tuimon.training import checkpoint, forking
from tuimon.training.batches import batch_sizes, least_batch
from tuimon.training.best import Best
from tuimon.training.data import Data, Split, load, order
from tuimon.training.device import autocast, choose_device, use_threads
from tuimon.training.initializers import initialize
from tuimon.training.keeping import Keeping
from tuimon.training.losses import CLASS_TASKS, each_loss_function, loss_function, misfits
from tuimon.training.memory import memory_explained
from tuimon.training.metrics import Confusions, tally
from tuimon.training.model import build_model
from tuimon.training.output import say
from tuimon.training.parts import optimizer
from tuimon.training.randomness import random_states, restore_random_states, seed_everything
from tuimon.training.regularizers import Regularizers, beginning, waiting
from tuimon.training.schedules import Schedule
from tuimon.training.signals import StopSignals
from tuimon.training.swapping import Activations
from tuimon.training.transfer import transfer

_EVALUATED_AT_ONCE = 1024  # examples; limits the memory of a validation
_SETTINGS = ("l1", "l2", "clip_norm", "clip_value")  # settings of the monitor's own levers


def train(
    spec: Spec,
    run_dir: Path | None = None,
    *,
    resume: bool = False,
    fork: Path | None = None,
    signals: StopSignals | None = None,
) -> Trainer:
    """Trains a spec until it is finished or asked to stop.

    Args:
        spec: what to train; saved in the run's folder before training starts.
        run_dir: the run's folder; None creates a new one in the folder of runs.
        resume: continue from the last checkpoint in `run_dir`.
        fork: the folder of the run whose checkpoint is in `run_dir`, as `fork.pt`: continue that run, as a run of its own.
        signals: entered by the caller; training stops gracefully after the first signal.

    Returns:
        The trainer after training; `how` says how it ended.

    Raises:
        TuimonError: the spec cannot be trained here, memory ran out, or there is no checkpoint to resume from.
    """
    with memory_explained(spec):
        trainer = Trainer(spec, run_dir, resume=resume, fork=fork, signals=signals or StopSignals())
        trainer.run()
    return trainer


class Trainer:
    """One run: its data, model, optimizer and progress."""

    how: Literal["finished", "stopped"] = "finished"

    def __init__(
        self, spec: Spec, run_dir: Path | None, *, resume: bool, signals: StopSignals, fork: Path | None = None
    ) -> None:
        self.spec, self._signals = spec, signals
        self._asked_to_stop = self._stopped_early = False
        self._forked: Forked | None = None
        self.device = choose_device(spec.training.device)
        self.data: Data = load(spec.data, spec.training.seed, self.device)
        seed_everything(spec.training.seed)  # after loading: importing scikit-learn changes Python's random state
        self.model: nn.Module = build_model(self.data.resolve(spec), self.data.example)
        initialize(self.model, spec.init, spec.model)
        transfer(spec.transfer, self.model)  # before the optimizer, which skips frozen parameters
        self._sizes = self._batch_sizes()
        self.optimizer = optimizer(spec.optimizer, self.model.parameters())
        self.schedule = Schedule(spec.schedule, self.optimizer, self.steps_per_epoch, self.total_steps)
        self.activations = Activations(self.model, self.optimizer, spec.model.slope)
        self.regularizers = Regularizers(self.model, spec.regularization)
        self.loss = loss_function(spec, self.data.task)
        self._each_loss = each_loss_function(spec, self.data.task)
        self.step, self.best = 0, Best()  # completed optimizer steps; the best validation so far
        self.tally = tally(self.data.task, self.device, self.data.unit)  # metrics of the current epoch, in training mode
        use_threads(self.model, self._sizes[0] * self.data.positions, self.device)
        self._forks = fork is not None
        saved = self._load(run_dir) if resume or fork else None
        self.monitor = self._watch(run_dir)
        self.monitor.declare(*self.regularizers.levers(), *self.activations.levers(self.monitor.describe))
        self._begin() if saved is None else self._restore(saved, fork)
        self._keeping = Keeping(self.monitor, self._content, spec.training.keep_checkpoints)
        self.monitor.on("stop", self._ask_to_stop)
        signals.tell = self.monitor.request_stop  # also ends a pause

    @property
    def steps_per_epoch(self) -> int:
        """Number of batches per epoch; the last one may be smaller."""
        return len(self._sizes)

    @property
    def total_steps(self) -> int:
        """Number of steps of the whole run."""
        return self.spec.training.steps or self.spec.training.epochs * self.steps_per_epoch

    @property
    def folder(self) -> Path:
        """The run's folder."""
        return self.monitor.run_dir

    def run(self) -> None:
        """Trains until finished or asked to stop, then validates and saves. Always closes the monitor."""
        self._say_what()
        started, first = time.monotonic(), self.step
        with self.monitor:
            with memory_explained(self.spec):
                self._train()
            self.how = "finished" if self.step >= self.total_steps or self._stopped_early else "stopped"
            self.monitor.close(self.how)
        say(f"{self.how} at step {self.step}: {self.step - first} steps in {time.monotonic() - started:.1f} s")

    def _train(self) -> None:
        self.model.train()
        if self._forks:
            self._begin_fork()
        elif self.step == 0:
            self.monitor.log(self._place())  # a boundary: for what is asked for before the first step
        over = self._over()
        while not over:
            for batch in self._rest_of_epoch():
                self._train_on(batch)
                if self._over():
                    break
            over = self._end_of_epoch(self._over())

    def _over(self) -> bool:
        done = self.step >= self.total_steps or self._stopped_early
        return done or self._asked_to_stop or self._signals.asked or self.monitor.stop_requested

    def _rest_of_epoch(self) -> Iterator[Split]:
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if position == 0:
            self._begin_epoch(epoch)
        indices = order(len(self.data.train), self.spec.training.seed, epoch).to(self.device)
        for chosen in torch.split(indices, self._sizes)[position:]:
            yield self.data.train.batch(chosen, self.step)

    def _begin_epoch(self, epoch: int) -> None:
        self.tally.sums.zero_()
        for lever in beginning(self.monitor.levers, self.spec.regularization, epoch):
            self.monitor.switch(lever, True, by=BY_SPEC)

    def _train_on(self, batch: Split) -> None:
        """Takes one step; a checkpoint requested during the step waits for its end."""
        self._keeping.mid_step = True
        self.optimizer.zero_grad()
        with self.regularizers.noisy_weights():
            loss, outputs = self._loss(self.regularizers.noisy(batch.inputs), batch.targets)
            penalty = self.regularizers.penalty()
            (loss if penalty is None else loss + penalty).backward()  # type: ignore[no-untyped-call]
        self.tally.add(outputs, batch.targets)
        self.optimizer.step()
        self.schedule.after_step()
        self.step += 1
        self._keeping.mid_step, self._keeping.unjudged = False, self._is_planned()
        self.monitor.log(self._place(), loss=loss.detach())
        self._keeping.catch_up()

    def _place(self) -> dict[str, float]:
        """Where the weights are, of a function of one or two."""
        if self.data.task != "quadratic":
            return {}
        named = self.model.named_parameters()
        return {PREFIX + name.rpartition(".")[2]: weight.item() for name, weight in named if weight.numel() == 1}

    def _loss(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        with autocast(self.device, self.spec.training.precision):
            outputs: Tensor = self.model(inputs)
        return self.loss(outputs.float(), targets), outputs

    def _end_of_epoch(self, over: bool) -> bool:
        """Validates and saves if it is time to, and always when training is over.

        Returns:
            Whether training is over. A later request to stop causes one more step, a validation and a checkpoint.
        """
        epochs, plan = self.step // self.steps_per_epoch, self.spec.training
        if over or epochs % plan.validate_every == 0:
            self._validate(last=over)
        self._keeping.unjudged = False
        over = over or self._stopped_early
        if over or (plan.checkpoint_every and epochs % plan.checkpoint_every == 0):
            self._keeping.routine.save_last(over)
        self._keeping.catch_up()
        return over

    def _validate(self, last: bool) -> None:
        """Logs loss, metrics and some examples of the validation split, and the training metrics of the current epoch."""
        confusions = Confusions() if self.data.task in CLASS_TASKS else None
        chooser = self._chooser(last)
        loss, metrics = self.evaluate(self.data.val, confusions, chooser)
        epoch, trained = self.step / self.steps_per_epoch, self.tally.values()
        both = {f"{name}/{split}": value for split, of in (("train", trained), ("val", metrics)) for name, value in of.items()}
        self.monitor.log(both, val_loss=loss, epoch=epoch)
        if confusions and confusions.counts is not None:
            named = len(self.data.class_names) == len(confusions.counts)
            self.monitor.log_confusion(confusions.counts, self.data.class_names if named else ())
        if chooser:
            self.monitor.validations.log(chooser)
        told = "".join(f"  {name} train {trained[name]:.4f} val {value:.4f}" for name, value in metrics.items())
        say(f"step {self.step}  epoch {epoch:.4g}{told}  loss val {loss:.4f}")
        if self._is_planned():
            self._judge(loss, metrics)

    def _chooser(self, last: bool) -> Chooser | None:
        """What keeps the examples of a validation to look at, if some are to be logged."""
        most, names = self.spec.training.samples, self.data.class_names
        if not most or self.data.task == "quadratic":
            return None
        undo_targets = self.data.scaled_targets.undone if self.data.scaled_targets else None
        say = self._say if self.data.known.input_shape == (2,) and self.data.task != "reconstruction" else None
        return self.monitor.validations.chooser(
            last=last, most=most, classes=names, columns=self.data.input_names, undo=self.data.undo, undo_targets=undo_targets,
            say=say,
        )  # fmt: skip

    def _say(self, inputs: Tensor) -> Tensor:
        """What the model says of inputs, in evaluation mode."""
        self.model.eval()
        with autocast(self.device, self.spec.training.precision):
            outputs: Tensor = self.model(inputs)
        self.model.train()
        return outputs.float()

    def _is_planned(self) -> bool:
        """Whether a validation is due here. A validation because of a stop must not change the resumed run."""
        epochs, rest = divmod(self.step, self.steps_per_epoch)
        return self.step >= self.total_steps or (rest == 0 and epochs % self.spec.training.validate_every == 0)

    def _judge(self, loss: float, metrics: dict[str, float]) -> None:
        self.schedule.after_validation(loss)
        if self.best.is_beaten(self.step, loss, metrics):
            self._keeping.routine.keep_best()
        self._consider_stopping()

    def _consider_stopping(self) -> None:
        patience = self.spec.regularization.early_stopping
        if patience and self.best.waited >= patience and not self._stopped_early:
            self._stopped_early = True
            text = f"stopped early: no improvement in {patience} validations; {self._told_best()}"
            self.monitor.notice(text)
            say(text)

    def _told_best(self) -> str:
        if not self.best.step:
            return "none had a finite loss"
        path = f"{checkpoint.FOLDER}/{checkpoint.BEST}"
        if self._forked and self.best.step <= self._forked.step and not (self.folder / path).exists():
            return f"the best was at step {self.best.step}, before the fork"
        return f"the best is {path}, from step {self.best.step}"

    @torch.no_grad()
    def evaluate(
        self, split: Split, confusions: Confusions | None = None, chooser: Chooser | None = None
    ) -> tuple[float, dict[str, float]]:
        """Returns the mean loss and the metrics of a split, in evaluation mode; adds its predictions to the others."""
        self.model.eval()
        total, counted = torch.zeros((), device=self.device), tally(self.data.task, self.device, self.data.unit)
        for indices in torch.split(torch.arange(len(split), device=self.device), _EVALUATED_AT_ONCE):
            batch = split.batch(indices)
            mean, outputs = self._loss(batch.inputs, batch.targets)
            total += mean.float() * len(batch)
            counted.add(outputs, batch.targets)
            if confusions:
                confusions.add(outputs, batch.targets)
            if chooser:
                chooser.add(batch.inputs, batch.targets, outputs, self._each_loss(outputs.float(), batch.targets))
        self.model.train()
        return total.item() / len(split), counted.values()

    def _batch_sizes(self) -> list[int]:
        examples, least = len(self.data.train), least_batch(self.model)
        if examples < least:
            raise TuimonError(
                "Batch normalization needs at least 2 training examples, but there is only 1", "Use more of them."
            )
        wanted = examples if self.spec.optimizer.name == "gd" else self.spec.data.batch_size
        return batch_sizes(examples, wanted, least)

    def _begin(self) -> None:
        """Warns about a loss that does not fit, and switches off regularizers that begin later."""
        for text in misfits(self.spec, self.data.task, self.model, self.data.train.targets):
            self.monitor.notice(text, "warning")
            say(f"warning: {text}")
        for lever in waiting(self.monitor.levers, self.spec.regularization):
            self.monitor.switch(lever, False, by=BY_SPEC)

    def _watch(self, run_dir: Path | None) -> tuimon.Monitor:
        if run_dir is not None:
            save_spec(self.spec, run_dir)
        plan = {name: value for name in _SETTINGS if (value := getattr(self.spec.regularization, name)) > 0}
        monitor = tuimon.watch(
            self.model, self.optimizer, name=run_dir.name if run_dir else self.spec.name, run_dir=run_dir,
            spec=self.spec.to_dict(), total_steps=self.total_steps, steps_per_epoch=self.steps_per_epoch,
            settings=plan, seed=self.spec.training.seed, device=str(self.device),
        )  # fmt: skip
        if run_dir is None:
            save_spec(self.spec, monitor.run_dir)
        return monitor

    def _load(self, run_dir: Path | None) -> dict[str, Any]:
        if run_dir is None:
            raise TuimonError("Cannot resume without a run's folder", "Name it with --run-dir.")
        content = checkpoint.load(run_dir / checkpoint.FOLDER / (checkpoint.FORK if self._forks else checkpoint.LAST))
        checkpoint.check_same_run(content, self.spec, self._forks)
        self.activations.load_state_dict(content["activations"])
        checkpoint.check_same_model(content, self.model)
        return content

    def _restore(self, content: dict[str, Any], fork: Path | None) -> None:
        self.model.load_state_dict(content["model"])
        own = forking.hyperparameters(self.optimizer)
        self.optimizer.load_state_dict(content["optimizer"])
        if not (fork and forking.retune(self.optimizer, self.schedule, own, content, self.spec)):
            self.schedule.load_state_dict(content["schedule"])
        self.monitor.load_state_dict(content["monitor"])
        past = content.get("forked")
        self._forked = Forked(fork.name, str(fork), content["step"]) if fork else past and Forked(**past)
        if self._forked:
            self.monitor.event(self._forked)
        self.step, self.best = content["step"], Best(**content["best"])
        self.tally.sums.copy_(content["tally"])
        self._consider_stopping()
        restore_random_states(content["random"], self.device)

    def _begin_fork(self) -> None:
        """Makes the changes that the fork begins with, and saves a checkpoint to resume it from."""
        forking.drop_later_best(self.folder, self.best.step)
        for command in forking.commands_at(self.folder, self.step):
            self.monitor.send(command)
        self.monitor.log()  # a boundary: before the next step's forward pass
        self._keeping.routine.save_last(over=False)

    def _content(self) -> dict[str, Any]:
        return {
            "spec": self.spec.to_dict(), "step": self.step, "best": self.best.state_dict(), "tally": self.tally.sums.clone(),
            "model": self.model.state_dict(), "optimizer": self.optimizer.state_dict(),
            "activations": self.activations.state_dict(), "schedule": self.schedule.state_dict(),
            "monitor": self.monitor.state_dict(), "random": random_states(self.device),
            "forked": self._forked and msgspec.structs.asdict(self._forked),
        }  # fmt: skip

    def _ask_to_stop(self) -> None:
        """Ends the training after the current step, a validation and a checkpoint."""
        self._asked_to_stop = True

    def _say_what(self) -> None:
        parameters = sum(parameter.numel() for parameter in self.model.parameters())
        say(
            f"{self.spec.name}: {Path(self.spec.model.name).stem}, {parameters} parameters, on {self.device}; "
            f"{len(self.data.train)} training and {len(self.data.val)} validation examples; "
            f"steps {self.step} to {self.total_steps}, {self.steps_per_epoch} per epoch"
        )
