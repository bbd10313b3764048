"""Lever settings, judged while they are typed."""

import pytest

from tuimon.log.records import LeverInfo
from tuimon.viewer import typed

LEVERS = {
    lever.name: lever
    for lever in (
        LeverInfo("lr_scale", "number", 0.5, low=0.0, high=100.0),
        LeverInfo("free", "number", 1.0),
        LeverInfo("paused", "switch", False),
        LeverInfo("activation", "choice", "relu", choices=("relu", "tanh")),
        LeverInfo("checkpoint", "action"),
    )
}


@pytest.mark.parametrize(
    "text",
    [
        "lr_scale=0.5", "lr_scale = 100", "lr_scale=*2", "lr_scale=off", "lr_scale=default", "free=-1e9", "paused=on",
        "paused=true", "activation=tanh", "activation=default", "checkpoint",
    ],
)  # fmt: skip
def test_what_the_run_would_take_is_fine(text):
    """All that `tuimon set` accepts."""
    assert typed.problem(text, LEVERS) == typed.hint(text, LEVERS) == typed.problem("pause", LEVERS) == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("lr_scale=101", "lr_scale cannot be 101; allowed: a number from 0 to 100, *factor, on, off, default"),
        ("lr_scale=*201", "lr_scale cannot be 100.5"),
        ("lr_scale=fast", "lr_scale cannot be fast"),
        ("lr_scale=true", "lr_scale cannot be on; allowed: a number"),
        ("lr_scale=*x", "must be a finite number"),
        ("free=x", "allowed: a number, *factor"),
        ("paused=1", "paused cannot be 1; allowed: on, off, toggle, default"),
        ("paused=*2", "paused cannot be multiplied; allowed: on"),
        ("activation=gelu", "activation cannot be gelu; allowed: relu, tanh, default"),
        ("activation=on", "activation cannot be on"),
        ("checkpoint=3", "checkpoint is an action and takes no value"),
        ("rl_scale=3", "this run has no lever rl_scale; it has lr_scale, free"),
        ("lr_scale", "lr_scale needs a value; allowed: a number from 0"),
    ],
)
def test_what_the_run_would_refuse_says_what_is_allowed(text, why):
    """Before anything is sent."""
    assert why in typed.problem(text, LEVERS)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "lr_scale, free, paused, activation, checkpoint"),
        ("p", "paused"),
        ("lr_scale", "allowed: a number from 0 to 100, *factor, on, off, default"),
        ("activation=", "allowed: relu, tanh, default"),
        ("checkpoint=", "an action takes no value"),
        ("x", ""),
        ("x=", ""),
        ("lr_scale=1", ""),
    ],
)
def test_what_is_unfinished_is_told_how_it_may_go_on(text, told):
    """The hint lists matching levers, then the lever's allowed values."""
    assert typed.hint(text, LEVERS) == told
