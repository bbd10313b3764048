"""Which examples of a validation are chosen, and what is written of them."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import nn

from tuimon.log import batch, frames, wire
from tuimon.log.records import Notice
from tuimon.log.samples import Samples, decode
from tuimon.log.seen import Seen, seen_in
from tuimon.log.store import Store
from tuimon.monitor.samples import Chooser, is_due

GENERATOR = torch.Generator().manual_seed(0)


def told(chooser: Chooser, model: nn.Module | None = None) -> Samples:
    """What a record of a chooser says."""
    found = decode(chooser.record("val", model)[1])
    assert found is not None
    return found


def test_the_worst_and_the_surest_wrong_are_chosen_from_all_batches() -> None:
    """The same ones as by sorting everything at once, whatever the batches."""
    inputs, outputs = torch.randn(100, 3, generator=GENERATOR), 3 * torch.randn(100, 5, generator=GENERATOR)
    targets = torch.randint(0, 5, (100,), generator=GENERATOR)
    losses = nn.functional.cross_entropy(outputs, targets, reduction="none")
    share, predicted = outputs.softmax(1).max(1)
    wrong = [place for place in share.argsort(descending=True).tolist() if predicted[place] != targets[place]]
    worst = losses.argsort(descending=True).tolist()
    for size in (100, 7):
        chooser = Chooser(4, classes="abcde")
        for parts in zip(*(part.split(size) for part in (inputs, targets, outputs)), strict=True):
            chooser.add(*parts)
        found = told(chooser)
        assert found.of == 100 and found.columns == ("1", "2", "3")
        assert {one.index for one in found.samples if "worst" in one.why} == set(worst[:4])
        assert {one.index for one in found.samples if "sure" in one.why} == set(wrong[:4])
        shown = [one.loss for one in found.samples]
        assert shown == sorted(shown, reverse=True)
        first = found.samples[0]
        assert first.index == worst[0] and first.loss == pytest.approx(float(losses[worst[0]]), rel=1e-4)
        assert (first.truth, first.predicted) == ("abcde"[targets[worst[0]]], "abcde"[predicted[worst[0]]])
        assert first.cells == pytest.approx(inputs[worst[0]].tolist(), rel=1e-4)


def test_a_loss_that_is_not_finite_comes_first() -> None:
    """It is told as unknown, since JSON has no word for it."""
    chooser = Chooser(2)
    chooser.add(torch.zeros(3, 1), torch.zeros(3, 1), torch.tensor([[1.0], [math.nan], [2.0]]))
    assert [(one.index, one.loss) for one in told(chooser).samples] == [(1, None), (2, 4.0)]


def test_right_examples_are_never_the_surest_wrong() -> None:
    """Not even if there is nothing else; a single output is the second class's logit."""
    chooser = Chooser(3)
    chooser.add(torch.zeros(3, 1), torch.tensor([0, 1, 1]), torch.tensor([[-3.0], [4.0], [0.5]]))
    found = told(chooser)
    assert [one.why for one in found.samples] == [("worst",)] * 3
    assert [(one.index, one.predicted) for one in found.samples] == [(2, "1"), (0, "0"), (1, "1")]
    assert found.samples[0].share == pytest.approx(torch.tensor(0.5).sigmoid().item(), rel=1e-4)


def test_text_is_told_in_characters() -> None:
    """What was read, what came next and what was said."""
    chooser = Chooser(1, classes="ab\n")
    outputs = 9 * nn.functional.one_hot(torch.tensor([[0, 1, 2], [2, 2, 2]]), 3).float()
    chooser.add(torch.tensor([[0, 0, 1], [1, 1, 1]]), torch.tensor([[0, 1, 2], [0, 0, 2]]), outputs)
    (one,) = told(chooser).samples
    assert (one.index, one.input, one.truth, one.predicted) == (1, "bbb", "aa\n", "\n\n\n")


def test_a_reconstruction_lies_beside_its_input() -> None:
    """Both on the scale of the inputs, after `undo`."""
    inputs = torch.tensor([0.0, 1.0]).repeat(2, 8).reshape(2, 1, 4, 4)
    chooser = Chooser(2, undo=lambda x: x * 2)
    chooser.add(inputs, inputs.flatten(1), torch.full((2, 16), 0.5))
    seen = seen_of(chooser)
    assert seen.samples.each == 2 and seen.samples.samples[0].truth == ""
    assert seen.pictures is not None and seen.pictures.shape == (4, 4, 4, 1)
    assert seen.pictures[0, 0, :, 0].tolist() == [0, 255, 0, 255] and set(seen.pictures[1].flatten().tolist()) == {128}


def test_the_first_layer_is_shown_if_its_weights_are_pictures() -> None:
    """Of a linear layer on pictures, and of a convolution; grey is zero."""
    linear = nn.Sequential(nn.Flatten(), nn.Linear(16, 2, bias=False))
    with torch.no_grad():
        linear[1].weight.copy_(torch.tensor([[1.0] * 16, [-1.0] * 8 + [0.0] * 8]))
    seen = seen_of(pictured(), linear)
    assert seen.samples.layer == "1" and seen.weights is not None
    assert seen.weights[:, 0, 0, 0].tolist() == [255, 0] and int(seen.weights[1, 3, 3, 0]) == 128
    convolution = nn.Sequential(nn.Conv2d(1, 6, 3), nn.Linear(4, 2))
    assert seen_of(pictured(), convolution).weights.shape == (6, 3, 3, 1)  # type: ignore[union-attr]
    for other in (nn.Linear(5, 2), nn.Conv2d(2, 6, 3), nn.ReLU()):
        assert seen_of(pictured(), other).weights is None


def test_a_large_picture_is_made_smaller() -> None:
    """So that a record stays small, whatever the data."""
    chooser = Chooser(32)
    noise = torch.rand(64, 3, 300, 200, generator=GENERATOR)
    chooser.add(noise, torch.zeros(64, dtype=torch.int64), torch.randn(64, 10, generator=GENERATOR))
    _, text, images = chooser.record("val")
    assert len(text) < 10_000 and len(images) < 900_000
    assert seen_of(chooser).pictures.shape[1:] == (64, 43, 3)  # type: ignore[union-attr]


def test_of_many_validations_ever_fewer_are_kept() -> None:
    """Eight times the logarithm of their number; all at first."""
    kept = [number for number in range(1, 10_001) if is_due(number)]
    assert kept[:8] == list(range(1, 9)) and len(kept) <= 8 * math.log(10_000) + 1
    assert all(later / earlier < 1.5 for earlier, later in itertools.pairwise(kept[2:]))


def test_a_script_logs_its_own(start: Any) -> None:
    """Lists and arrays will do; pictures may be bytes; what cannot be shown is reported once, and costs nothing else."""
    training = start()
    training.step()
    bytes_ = torch.randint(0, 256, (5, 8, 8), dtype=torch.uint8, generator=GENERATOR)
    training.monitor.samples(bytes_.numpy(), [0, 1, 2, 0, 1], torch.randn(5, 3).tolist(), classes=("cat", "dog", "owl"), most=2)
    seen = seen_in(training.store)
    assert seen is not None and (seen.split, seen.step, seen.samples.of) == ("val", 1, 5)
    assert seen.pictures is not None and seen.pictures.shape[1:] == (8, 8, 1)
    assert {one.truth for one in seen.samples.samples} <= {"cat", "dog", "owl"}
    for _ in range(2):
        training.monitor.samples([[1.0]], [0, 1], [[1.0, 2.0]], split="odd")
    notices = [notice.text for notice in training.events(Notice)]
    assert sum("samples" in text and "1, 2 and 1 rows" in text for text in notices) == 1
    training.step()


def pictured() -> Chooser:
    """A chooser that was given two small pictures."""
    chooser = Chooser(2)
    chooser.add(torch.rand(2, 1, 4, 4, generator=GENERATOR), torch.tensor([0, 1]), torch.randn(2, 2, generator=GENERATOR))
    return chooser


def seen_of(chooser: Chooser, model: nn.Module | None = None) -> Seen:
    """What a viewer gets of it, by way of the log's bytes."""
    tag, text, images = chooser.record("val", model)
    data = wire.frame(wire.event(1e9, 1, wire.text_value(tag, text) + images))
    found = frames.split(data)
    store = Store()
    store.apply(batch.decode(data, found.starts, found.lengths, len(data)))
    seen = seen_in(store)
    assert seen is not None
    return seen
