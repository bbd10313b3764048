"""Combinations of fields that cannot be trained are refused in one line that names the fields."""

from __future__ import annotations

import pytest

from tuimon.base.errors import TuimonError
from tuimon.spec.loading import load_spec


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["optimizer=gd", "nesterov=true"], "optimizer.nesterov = true: needs optimizer.momentum above 0"),
        (["optimizer=sgd", "nesterov=true", "momentum=0.9", "dampening=0.1"],
         "optimizer.nesterov = true: needs optimizer.dampening = 0"),
        (["model.norm=batch", "batch_size=1"],
         "model.norm = 'batch': needs data.batch_size of at least 2, because one example has no variance"),
        (["model.norm=group", "hidden=10"], "model.groups = 4: must divide every width in model.hidden, also 10"),
        (["schedule.name=one_cycle", "warmup=1"],
         "schedule.warmup: one_cycle has its own warm-up; set schedule.peak and schedule.start instead"),
        (["data=diabetes", "loss.name=hinge"],
         "loss.name = 'hinge': needs classes, but the task is regression; use auto or mse"),
        (["data.task=reconstruction", "loss.name=cross_entropy"],
         "loss.name = 'cross_entropy': needs classes, but the task is reconstruction; use auto, mse or bce"),
        (["data=quadratic", "model=quadratic", "loss.name=mse"],
         "loss.name = 'mse': the quadratic model computes its own loss; use auto"),
        (["init.name=he"], "init.name = 'he': must be one of"),
        (["schedule.name=linear"], "schedule.name = 'linear': must be one of"),
        (["reset_every=10"], "optimizer.reset_every: adam has no reset_every; it is a setting of adagrad"),
    ],
)  # fmt: skip
def test_a_combination_that_cannot_be_trained_is_refused_in_one_line(overrides: list[str], message: str):
    """For any mix of model, data and optimizer."""
    with pytest.raises(TuimonError) as raised:
        load_spec("digits-mlp", overrides)
    assert str(raised.value).startswith(message)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.norm=batch", "batch_size=1", "optimizer=gd"],
        ["data.task=reconstruction", "model=autoencoder", "loss.name=bce", "data.scale=minmax"],
        ["optimizer=sgd", "nesterov=true", "momentum=0.9"],
        ["schedule.name=cosine", "warmup=2.5"],
    ],
)
def test_valid_combinations_are_accepted(overrides: list[str]):
    """They load without an error."""
    assert load_spec("digits-mlp", overrides)
