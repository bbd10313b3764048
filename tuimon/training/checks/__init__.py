"""Checks before training: a report on a spec's data, model, loss and learning rate. Changes none of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tuimon.base.errors import TuimonError
from tuimon.spec.spec import Spec
from tuimon.training.checks.activations import check_activations
from tuimon.training.checks.building import build_subject, read_data
from tuimon.training.checks.first_loss import check_first_loss
from tuimon.training.checks.gradient_check import check_gradient
from tuimon.training.checks.gradients import check_gradients
from tuimon.training.checks.inputs import check_inputs
from tuimon.training.checks.ladder import check_ladder
from tuimon.training.checks.learning_rate import check_learning_rate
from tuimon.training.checks.output import check_output
from tuimon.training.checks.overfit import check_overfit
from tuimon.training.checks.parameters import check_parameters, check_reach, check_symmetry
from tuimon.training.checks.subject import Subject, fenced
from tuimon.training.checks.targets import check_targets
from tuimon.training.report import Line

__all__ = ["CHECKS", "Check", "Subject", "examine", "report"]

Check = Callable[[Subject], Iterator[Line]]

# In the order in which to look for a fault: the data, the untrained model, then whether it learns.
CHECKS: dict[str, Check] = {
    "inputs": check_inputs,
    "targets": check_targets,
    "parameters": check_parameters,
    "output layer": check_output,
    "first loss": check_first_loss,
    "gradient check": check_gradient,
    "gradient reach": check_reach,
    "symmetry": check_symmetry,
    "activations": check_activations,
    "gradients": check_gradients,
    "overfit a batch": check_overfit,
    "learning rate": check_learning_rate,
    "ladder": check_ladder,
}
_NEED_NO_TRAINING = ("inputs", "targets", "parameters", "output layer", "first loss", "activations")


def report(spec: Spec) -> Iterator[Line]:
    """Yields the report on a spec line by line as checks finish. An error in the data or the model becomes a failing line."""
    try:
        data = read_data(spec)
    except TuimonError as error:
        yield Line("data", "fail", "cannot be read", str(error))
        return
    with fenced(data.train.targets.device):
        try:
            subject = build_subject(spec, data)
        except TuimonError as error:
            yield Line("model", "fail", "cannot be built", str(error))
            return
    yield from examine(subject)


def examine(subject: Subject) -> Iterator[Line]:
    """Runs all checks, each on copies and fenced. Skips those that need training if no parameter is trained."""
    trained = any(parameter.requires_grad for parameter in subject.model.parameters())
    for name, check in CHECKS.items():
        if trained or name in _NEED_NO_TRAINING:
            yield from made(name, check, subject)


def made(name: str, check: Check, subject: Subject) -> list[Line]:
    """The lines of one check; an exception in it, such as from a user's model, becomes a failing line."""
    with fenced(subject.device):
        try:
            return list(check(subject))
        except Exception as error:  # a user's code may raise anything
            first = str(error).strip().partition("\n")[0]
            return [Line(name, "fail", "not done", f"The check raised {type(error).__name__}: {first}")]
