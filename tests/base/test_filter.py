"""The language of filters: names, lines of text, and runs with their keys."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuimon.base.filter import Filter, FilterError, problem

TAGS = ("loss/train", "loss/val", "accuracy/val", "grad_norm/fc1", "LR", "weird[0]")
RUN = {
    "optimizer.lr": 1e-3,
    "model.name": "cnn",
    "state": "failed",
    "tag": ["baseline", "paper"],
    "training.amp": True,
    "x": None,
}


def among(text: str) -> list[str]:
    return Filter(text).among(TAGS, str)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", TAGS),
        ("   ", TAGS),
        ("loss", ("loss/train", "loss/val")),
        ("LOSS", ("loss/train", "loss/val")),
        ("lr", ("LR",)),
        ("loss val", ("loss/val",)),
        ("loss | lr", ("loss/train", "loss/val", "LR")),
        ("loss|lr", ("loss/train", "loss/val", "LR")),
        ("loss val | lr", ("loss/val", "LR")),
        ("!loss", ("accuracy/val", "grad_norm/fc1", "LR", "weird[0]")),
        ("!!loss", ("loss/train", "loss/val")),
        ("loss !val", ("loss/train",)),
        ("loss/*", ("loss/train", "loss/val")),
        ("*/val", ("loss/val", "accuracy/val")),
        ("l?", ("LR",)),
        ("val*", ()),
        ("weird[0]", ("weird[0]",)),
        ("weird[*", ("weird[0]",)),
        ("/^loss|^lr$/", ("loss/train", "loss/val", "LR")),
        ("!/[or]/", ()),
        ("!/[oc]/", ("LR", "weird[0]")),
        ("/train", ("loss/train",)),
        ("/s [/]v/", ()),
        ("loss |", ("loss/train", "loss/val")),
        ("| loss", ("loss/train", "loss/val")),
        ("loss !", ("loss/train", "loss/val")),
        ("nothing", ()),
    ],
)
def test_names_are_found(text: str, found: tuple[str, ...]) -> None:
    """By words, alternatives, negation, globs and regular expressions; an unfinished text filters by what is finished."""
    assert among(text) == list(found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("lr>=1e-3", True),
        ("lr>1e-3", False),
        ("lr<0.01", True),
        ("lr<=0.0009", False),
        ("lr=0.001", True),
        ("lr=1e-3", True),
        ("lr!=1e-3", False),
        ("optimizer.lr=0.001", True),
        ("model=cnn", True),
        ("model.name=CNN", True),
        ("name=cn", False),
        ("name=c*", True),
        ("name!=mlp", True),
        ("state:failed", True),
        ("state:fail", True),
        ("tag:baseline", True),
        ("tag=paper", True),
        ("tag=pap", False),
        ("amp=true", True),
        ("amp>0", False),
        ("lr>=large", False),
        ("!state:failed", False),
        ("nothing=1", False),
        ("nothing!=1", True),
        ("x=None", False),
        ("lr>=1e-3 name=cnn state:failed tag:baseline", True),
        ("name=mlp | tag:paper", True),
        ("digits lr<1", True),
        ("lr=", True),
    ],
)
def test_runs_are_found_by_their_keys(text: str, found: bool) -> None:
    """Numbers as numbers; the last part of a key is enough; what is still being typed hides nothing."""
    values = {**RUN, "model": "cnn"}
    assert Filter(text).matches("digits-cnn-3 failed", values) is found


def test_a_line_of_text_has_no_keys() -> None:
    """`step=3` is then what is printed, and globs match whole words."""
    line = "epoch 2 step=3 loss=0.512 /data/train"
    assert Filter("step=3").matches(line) and not Filter("step=4").matches(line)
    assert Filter("loss=0.5*").matches(line) and not Filter("0.5*").matches(line)
    assert Filter("/loss=0\\.\\d+/").matches(line)
    assert Filter("lr=").matches("lr= 3")


@pytest.mark.parametrize("text", ["/(/", "a /[/", "/*a/", "!/(?P<n/"])
def test_a_wrong_regular_expression_says_so(text: str) -> None:
    """It names the expression and what is wrong with it."""
    with pytest.raises(FilterError, match="Cannot read the regular expression /"):
        Filter(text)
    assert problem(text) and not problem("/a/")


@given(st.text(st.sampled_from("ab/|!*?=<>:[]() \\.1e-"), max_size=40), st.text(max_size=20))
def test_any_text_is_a_filter(text: str, name: str) -> None:
    """Or is refused as one; and a filter means the same typed twice with `|` between."""
    if problem(text):
        return
    assert Filter(text).matches(name, {"a": 1}) in (True, False)
    if Filter(text) and "/" not in text:
        assert Filter(f"{text} | {text}").matches(name) == Filter(text).matches(name)


def test_a_hundred_thousand_tags_take_no_time() -> None:
    """A word of the filter costs each tag less than 20 µs, also on a busy machine."""
    tags = [f"layer.{index}/grad_norm" for index in range(100_000)]
    began = time.process_time()
    assert len(Filter("grad layer.99* !nothing").among(tags, str)) == 1111
    assert time.process_time() - began < 3 * 2.0
