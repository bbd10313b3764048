"""Combinations of fields that cannot be trained are refused in one line that names the fields."""

from __future__ import annotations

import re

import pytest

from tuimon.base.errors import TuimonError
from tuimon.spec.keys import table
from tuimon.spec.loading import load_spec
from tuimon.spec.presets import models_folder, presets, read_toml
from tuimon.spec.usage import unused
from tuimon.spec.words import KEYS, VALUES


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
        (["model=rnn", "cell=rnn", "activation=sigmoid"],
         "model.activation = 'sigmoid': a plain recurrent cell takes tanh or relu"),
        (["model=rnn", "hidden=[]"], "model.hidden: a recurrent network needs at least one layer"),
        (["model=transformer", "hidden=30"], "model.hidden = [30]: a transformer needs one or more blocks of the same width"),
        (["data=csv", "data.path=mine.csv", "model=cnn"], "model.name = 'cnn': needs images, but the rows of a csv table"),
        (["init=zeros"], "init.name = 'zeros': must be one of"),
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
    ("preset", "override", "message"),
    [
        ("text-lstm", "activation=relu", "model.activation: the gates of lstm have their own functions; model.cell=rnn takes"),
        ("digits-mlp", "data.target=3", "data.target: digits has no target; it is a setting of csv, npz"),
        ("digits-softmax", "hidden=64", "model.hidden: softmax has no hidden; it is a setting of mlp"),
        ("digits-mlp", "cell=gru", "model.cell: mlp has no cell; it is a setting of rnn"),
        ("digits-mlp", "groups=2", "model.groups: used only by model.norm=group, but it is none"),
        ("digits-mlp", "context=9", "data.context: digits has no context; it is a setting of text"),
        ("text-lstm", "scale=minmax", "data.scale: text does not use it"),
        ("digits-mlp", "schedule.factor=0.1", "schedule.factor: constant has no factor; it is a setting of plateau, step"),
        ("digits-mlp", "init.std=1", "init.std: default has no std; it is a setting of normal"),
        ("digits-mlp", "margin=2", "loss.margin: auto has no margin; it is a setting of hinge"),
        ("batch-size-full", "batch_size=8", "data.batch_size: gd uses the whole training split as one batch"),
        ("digits-mlp", "target_scale=none", "data.target_scale: only the targets of a regression are scaled"),
        ("digits-mlp", "frozen=true", "transfer.frozen: used only with transfer.source"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused(preset: str, override: str, message: str):
    """In one line that says what would use it; a file may have it, as every saved spec has all of them."""
    with pytest.raises(TuimonError) as raised:
        load_spec(preset, [override])
    assert str(raised.value).startswith(message)


@pytest.mark.parametrize("preset", [preset.name for preset in presets()])
def test_no_preset_sets_what_it_does_not_use(preset: str):
    """Otherwise its text could speak of something that is not there."""
    own = read_toml(models_folder() / "presets" / f"{preset}.toml")
    given = {f"{section}.{key}" for section, values in own.items() if isinstance(values, dict) for key in values}
    assert not given & set(unused(load_spec(preset)))


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("optimizer=nag", "nesterov=true"), ("optimizer=momentum", "sgd with momentum=0.9"), ("init=he", "kaiming_normal"),
        ("init.name=xavier", "xavier_normal"), ("init=glorot", "xavier_normal"), ("activation=swish", "silu"),
        ("loss=l1", "mse"), ("schedule=exponential", "step with schedule.every=1"), ("data=imagenet", "cifar10"),
        ("model=lstm", "rnn with model.cell=lstm"), ("norm=batchnorm", "batch"), ("scheduler=cosine", "schedule.name"),
        ("learning_rate=1", "optimizer.lr"), ("wd=1", "optimizer.weight_decay"),
    ],
)  # fmt: skip
def test_a_word_of_other_libraries_leads_to_the_right_name(typed: str, name: str):
    """In the error message."""
    with pytest.raises(TuimonError, match=rf"(for \S+ write|did you mean) .*{name}"):
        load_spec("digits-mlp", [typed])


def test_every_word_leads_to_a_value_that_exists():
    """Its first word is one of the choices of the key, and no choice itself."""
    for key, words in VALUES.items():
        choices = table()[key].choices
        assert all(re.match(r"\w+", meant)[0] in (*choices, "any", "none") for meant in words.values()), key
        assert not set(words) & set(choices) - {"none"}, key
    assert set(KEYS.values()) <= set(table())


def test_a_section_stands_for_its_name():
    """As `optimizer=sgd` does."""
    spec = load_spec("digits-mlp", ["schedule=cosine", "init=orthogonal", "loss=hinge"])
    assert (spec.schedule.name, spec.init.name, spec.loss.name) == ("cosine", "orthogonal", "hinge")


@pytest.mark.parametrize(
    "overrides",
    [
        ["model.norm=batch", "optimizer=gd"],
        ["data.task=reconstruction", "model=autoencoder", "loss.name=bce", "data.scale=minmax"],
        ["optimizer=sgd", "nesterov=true", "momentum=0.9"],
        ["schedule.name=cosine", "warmup=2.5"],
    ],
)
def test_valid_combinations_are_accepted(overrides: list[str]):
    """They load without an error."""
    assert load_spec("digits-mlp", overrides)
