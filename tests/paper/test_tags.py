"""Which tags a word means, and which share a chart."""

from __future__ import annotations

import pytest

from tuimon.base.errors import TuimonError
from tuimon.paper.tags import by_chart, chosen, split_of

TAGS = ["loss/train", "loss/val", "lr", "grad_norm/fc1", "grad_norm/fc2", "val_loss", "train_loss", "a[b]"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("lr", ["lr"]),
        ("loss", ["loss/train", "loss/val"]),
        ("*loss", ["val_loss", "train_loss"]),
        ("grad_norm/*1", ["grad_norm/fc1"]),
        ("a[b]", ["a[b]"]),
        ("*", TAGS),
    ],
)
def test_a_word_means_a_tag_a_glob_or_what_is_below(pattern: str, found: list[str]) -> None:
    """A tag that is a glob, too, means itself."""
    assert chosen([pattern], TAGS) == found


def test_an_unknown_tag_is_told_with_the_nearest() -> None:
    """And with those that there are."""
    with pytest.raises(TuimonError, match="did you mean loss/val") as error:
        chosen(["los/val"], TAGS)
    assert "grad_norm/fc1" in error.value.hint


@pytest.mark.parametrize(
    ("tag", "metric", "split"),
    [
        ("loss/val", "loss", "val"),
        ("val_loss", "loss", "val"),
        ("validation/loss", "loss", "val"),
        ("metrics/train/acc", "metrics/acc", "train"),
        ("train", "train", ""),
        ("interval/retrain", "interval/retrain", ""),
        ("eval/loss", "loss", "eval"),
    ],
)
def test_the_split_is_a_whole_word_of_a_tag(tag: str, metric: str, split: str) -> None:
    """`interval` has none."""
    assert split_of(tag) == (metric, split)


def test_splits_of_a_metric_and_layers_of_a_statistic_share_a_chart() -> None:
    """Of many layers, six are taken, and that is said."""
    assert by_chart(["val_loss", "lr", "train_loss"]) == {"loss": ("train_loss", "val_loss"), "lr": ("lr",)}
    assert by_chart(["loss/train", "train_loss"]) == {"loss/train": ("loss/train",), "train_loss": ("train_loss",)}
    (title, tags), *_ = by_chart([f"grad_norm/{k}" for k in range(40)]).items()
    assert title == "grad_norm, 6 of 40 layers," and tags[0] == "grad_norm/0" and tags[-1] == "grad_norm/39"
