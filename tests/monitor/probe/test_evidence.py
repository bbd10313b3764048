"""What a sample says beyond norms and histograms: input, output, likeness of units, direction of the gradient, signs."""

from __future__ import annotations

import copy
import math
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tuimon.log.records import Notice
from tuimon.monitor.probe import alike, direction, ends, stacked
from tuimon.monitor.probe.alike import Likeness
from tuimon.monitor.probe.direction import Direction
from tuimon.monitor.probe.ends import input_facts, output_facts
from tuimon.monitor.probe.flat import Part, chunks
from tuimon.monitor.probe.found import Found
from tuimon.monitor.probe.parameters import Owned

Start = Callable[..., Any]


def last(training: Any, tag: str) -> float:
    return float(training.store[tag].values[-1])


def told(training: Any) -> list[str]:
    return [notice.text for notice in training.events(Notice)]


def by_tag(found: Found) -> dict[str, float]:
    (facts,) = found.read(*(tensor.numpy() for tensor in found.tensors))
    return dict(zip(facts.tags, facts.values.tolist(), strict=True))


def spread(numbers: list[float]) -> float:
    mean = math.fsum(numbers) / len(numbers)
    return math.sqrt(math.fsum((x - mean) ** 2 for x in numbers) / len(numbers))


def plain_input(columns: list[list[float]]) -> dict[str, float]:
    """By the plain definitions; `columns` hold each feature's values."""
    flat = [x for column in columns for x in column]
    varying = [spread(column) for column in columns if max(column) > min(column)]
    found = {"mean": math.fsum(flat) / len(flat), "std": spread(flat), "abs_max": max(map(abs, flat))}
    found |= {"constant_fraction": 1 - len(varying) / len(columns), "scale_spread": max(varying) / min(varying)}
    return {f"input/{kind}": number for kind, number in found.items()}


def plain_output(rows: list[list[float]]) -> dict[str, float]:
    """By the plain definitions; a row is a sample of the batch."""
    flat = [x for row in rows for x in row]
    tops = Counter(row.index(max(row)) for row in rows)
    probable = sum(min(row) >= 0 and abs(math.fsum(row) - 1) <= 1e-3 for row in rows)
    found = {"mean": math.fsum(flat) / len(flat), "std": spread(flat), "min": min(flat), "max": max(flat)}
    found |= {"top_class_fraction": max(tops.values()) / len(rows), "probability_fraction": probable / len(rows)}
    columns = [list(column) for column in zip(*rows, strict=True)]
    found["batch_std"] = math.fsum(map(spread, columns)) / len(columns)
    return {f"output/{kind}": number for kind, number in found.items()}


def test_input_and_output_equal_their_plain_versions(start: Start) -> None:
    """Of the step that was logged; two constant features, one far larger than the others."""
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4), nn.Softmax(1))
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.1), budget=1.0)
    training.inputs[:, 2], training.inputs[:, 5] = 3.0, 0.0
    training.inputs[:, 6] *= 1000
    expected = plain_output(model(training.inputs).tolist()) | plain_input(training.inputs.t().tolist())
    training.step()
    found = {tag: last(training, tag) for tag in training.store if tag.startswith(("input/", "output/"))}
    assert found == pytest.approx(expected, rel=1e-5)
    assert found["input/constant_fraction"] == 0.25 and found["output/probability_fraction"] == 1.0


def test_channels_are_the_features_of_images(start: Start) -> None:
    """Also of channels-last ones; the batch is all samples and positions."""
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 4, 2)).to(
        memory_format=torch.channels_last
    )
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.1), budget=1.0)
    images = torch.randn(5, 3, 4, 4).to(memory_format=torch.channels_last)
    images[:, 1] = 7.0
    training.inputs = images
    training.step()
    expected = plain_input(images.transpose(0, 1).reshape(3, -1).tolist())
    assert {tag: last(training, tag) for tag in expected} == pytest.approx(expected, rel=1e-5)
    assert last(training, "input/constant_fraction") == pytest.approx(1 / 3)


class Tokens(nn.Module):
    """Gets token numbers, and numbers of its own besides."""

    def __init__(self, besides: bool) -> None:
        super().__init__()
        self.embedding, self.norm, self.numbers = nn.Embedding(20, 8), nn.LayerNorm(8), nn.Linear(8, 8)
        self.besides = besides

    def forward(self, x: Tensor) -> Tensor:
        found = self.norm(self.embedding((x * 3).long() % 20)).mean(1)
        return found + self.numbers(x) if self.besides else found


def test_what_is_made_of_token_numbers_is_no_input(start: Start) -> None:
    """An embedding's output has a scale of the model's own; numbers that come from outside have theirs."""
    training = start(Tokens(besides=False), budget=1.0)
    training.step()
    assert not any(tag.startswith("input/") for tag in training.store)
    assert "output/mean" in training.store
    training = start(Tokens(besides=True), budget=1.0, name="besides")
    training.step()
    assert last(training, "input/mean") == pytest.approx(training.inputs.mean().item(), rel=1e-5)


def test_what_cannot_be_said_of_a_batch_is_not_said() -> None:
    """One sample varies in nothing; one output is no choice; a number alone has a mean."""
    assert set(by_tag(input_facts(torch.randn(1, 6), 1))) == {"input/mean", "input/std", "input/abs_max"}
    assert "output/batch_std" not in by_tag(output_facts(torch.randn(1, 6)))
    assert "output/top_class_fraction" not in by_tag(output_facts(torch.randn(6, 1)))
    assert "output/batch_std" in by_tag(output_facts(torch.randn(6)))
    assert by_tag(output_facts(torch.tensor(3.0))) == {"output/mean": 3, "output/std": 0, "output/min": 3, "output/max": 3}
    assert by_tag(input_facts(torch.tensor(-3.0), -1)) == {"input/mean": -3, "input/std": 0, "input/abs_max": 3}
    assert math.isnan(by_tag(input_facts(torch.ones(4, 3), 1))["input/scale_spread"])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_any_precision_is_measured(dtype: torch.dtype) -> None:
    """Half precision's probabilities sum to 1 only as closely as it can tell."""
    probabilities = torch.randn(64, 50).softmax(1).to(dtype)
    assert by_tag(output_facts(probabilities))["output/probability_fraction"] > 0.9
    assert by_tag(output_facts(torch.randn(64, 50).to(dtype)))["output/probability_fraction"] == 0
    assert by_tag(input_facts(torch.full((9, 3), 300.0, dtype=dtype), 1))["input/std"] == 0


def test_nan_is_nan_and_infinity_infinite() -> None:
    """Neither hides, and neither is an error."""
    values = torch.randn(8, 4)
    values[3, 1] = torch.nan
    assert all(math.isnan(by_tag(input_facts(values, 1))[f"input/{kind}"]) for kind in ("mean", "std", "abs_max"))
    assert all(math.isnan(by_tag(output_facts(values))[f"output/{kind}"]) for kind in ("mean", "min", "max", "batch_std"))
    values[3, 1] = torch.inf
    assert by_tag(output_facts(values))["output/max"] == by_tag(input_facts(values, 1))["input/abs_max"] == math.inf


@pytest.mark.parametrize(
    ("shape", "dim"), [((5000, 400), 1), ((8, 3, 512, 512), 1), ((70, 150_000), 1), ((4, 900, 256), 2), ((3_000_000,), 0)]
)
def test_a_subset_stands_for_a_large_input_or_output(shape: tuple[int, ...], dim: int) -> None:
    """Bounded, with enough of the batch to see what varies, and the same to sampling error."""
    values = torch.randn(shape, generator=torch.Generator().manual_seed(1)) * 2 + 1
    for turn in range(2):
        rows = ends._input_rows(values, dim, turn)
        assert rows.numel() <= 2 * ends.MOST_VALUES and (len(shape) == 1 or len(rows) >= 64)
        found = by_tag(input_facts(values, dim, turn)) | by_tag(output_facts(values, turn))
        for kind in ("input", "output"):
            assert (found[f"{kind}/mean"], found[f"{kind}/std"]) == pytest.approx((1, 2), abs=0.1)
        assert len(shape) == 1 or found["input/constant_fraction"] == 0


@dataclass
class Answer:
    """As Hugging Face's models return it, with labels."""

    loss: Tensor
    logits: Tensor


class Returns(nn.Module):
    """Returns its output in a container."""

    def __init__(self, pack: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.layer, self.pack = nn.Linear(8, 4), pack

    def forward(self, x: Tensor) -> Any:
        return self.pack(self.layer(x))


@pytest.mark.parametrize(
    "pack",
    [
        lambda y: (y, None),
        lambda y: [{"a": y}],
        lambda y: OrderedDict(loss=y.mean(), logits=y),
        lambda y: Answer(y.mean(), y),
        lambda y: {"names": "a", "count": torch.ones(3, dtype=torch.long), "out": (y, y * 5)},
        lambda y: torch.sparse_coo_tensor([[0], [1]], y[0, :1]),
        lambda y: nn.utils.rnn.pack_sequence(list(y)),
        lambda y: "nothing",
        lambda y: None,
        lambda y: y[:0],
        lambda y: torch.nested.nested_tensor([y[:2], y[2:]], layout=torch.jagged),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_the_first_tensor_of_whatever_a_model_returns_is_read(start: Start, pack: Callable[[Tensor], Any]) -> None:
    """Tuples, dictionaries, dataclasses as of Hugging Face: its logits before its loss. What holds none is no error."""
    model = Returns(pack)
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.1), budget=1.0)
    with torch.no_grad():
        y = model.layer(training.inputs)
    model(training.inputs)
    model.layer(training.inputs).sum().backward()
    training.optimizer.step()
    training.monitor.log(loss=1.0)
    assert told(training) == []
    if "output/mean" in training.store:
        assert last(training, "output/mean") == pytest.approx(y.mean().item(), rel=1e-4)
    else:
        assert ends.first_tensor(pack(y)) is None


def plain_alike(weight: Tensor, gradient: Tensor | None) -> tuple[float, float]:
    """Mean size of the cosine of all pairs, and the share of units that another equals; `weight` is [units, …]."""
    rows = [row.reshape(-1).double() for row in weight]
    cosines = [
        abs(float(a @ b / (a.norm() * b.norm()))) if a.norm() * b.norm() else 0.0
        for i, a in enumerate(rows)
        for j, b in enumerate(rows)
        if i != j
    ]
    units = range(len(rows))
    same = [
        any(
            i != j
            and torch.equal(rows[i], rows[j])
            and (gradient is None or torch.allclose(gradient[i], gradient[j], rtol=1e-6))
            for j in units
        )
        for i in units
    ]
    return sum(cosines) / len(cosines), sum(same) / len(same)


def test_likeness_of_units_equals_its_plain_version(start: Start) -> None:
    """Of linear layers and convolutions: alike is who has the same incoming weights and gets the same gradient."""
    model = nn.Sequential(
        nn.Unflatten(1, (2, 4)), nn.Conv1d(2, 6, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 5), nn.Linear(5, 3)
    )
    with torch.no_grad():
        model[1].weight[2], model[1].bias[2] = model[1].weight[4], model[1].bias[4]
        model[4].weight[:, 4:6] = model[4].weight[:, 8:10]
        model[4].weight[1:3] = model[4].weight[:1]  # equal, but what follows tells them apart
        model[5].weight.zero_()
        model[5].weight[0, 0] = 1.0
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.0), budget=1.0)
    training.step()
    for name in ("1", "4", "5"):
        layer = model.get_submodule(name)
        expected = plain_alike(layer.weight.detach(), layer.weight.grad)
        found = (last(training, f"unit_similarity/{name}"), last(training, f"identical_fraction/{name}"))
        assert found == pytest.approx(expected, abs=1e-6)
    assert last(training, "identical_fraction/1") == pytest.approx(2 / 6)


def test_units_that_start_alike_stay_alike_while_they_train(start: Start) -> None:
    """A constant start: rounding, which differs from unit to unit, sets none of them apart."""
    model = nn.Sequential(nn.Linear(8, 50), nn.Tanh(), nn.Linear(50, 50), nn.Tanh(), nn.Linear(50, 3))
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.05)
    training = start(model, torch.optim.Adam(model.parameters(), lr=0.01), budget=1.0)
    for _ in range(30):
        training.step()
    assert last(training, "identical_fraction/0") == last(training, "identical_fraction/2") == 1.0
    assert last(training, "unit_similarity/2") == pytest.approx(1.0)


@pytest.mark.parametrize("kind", [nn.RNN, nn.LSTM, nn.GRU])
def test_units_of_a_recurrent_layer_are_compared_with_all_their_gates(start: Start, kind: type[nn.RNNBase]) -> None:
    """A unit of an LSTM has a row of weights for each of four gates: equal in one gate alone, two units are none alike."""

    class Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cell, self.head = kind(4, 6, batch_first=True), nn.Linear(6, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.cell(x.unflatten(1, (2, 4)))[0][:, -1])

    alike, random = Rows(), Rows()
    for parameter in alike.cell.parameters():
        nn.init.constant_(parameter, 0.1)
    nn.init.constant_(alike.head.weight, 0.1)
    with torch.no_grad():
        random.cell.weight_ih_l0[1] = random.cell.weight_ih_l0[2]
    for model, share in ((alike, 1.0), (random, 0.0)):
        training = start(model, torch.optim.SGD(model.parameters(), lr=0.0), budget=1.0)
        training.step()
        assert last(training, "identical_fraction/cell") == share


def test_a_frozen_layers_units_are_compared_by_their_weights_alone(start: Start) -> None:
    """There is no gradient to tell them apart."""
    model = nn.Sequential(nn.Linear(8, 4).requires_grad_(False), nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight[1] = model[0].weight[3]
    training = start(model, torch.optim.SGD(model[1].parameters(), lr=0.1), budget=1.0)
    training.step()
    assert last(training, "identical_fraction/0") == 0.5


def test_layers_have_their_turn_to_be_compared() -> None:
    """A sample compares a bounded number of weights; after some samples every layer was seen, large ones in part."""
    weights = [nn.Parameter(torch.randn(100, 600)) for _ in range(9)] + [nn.Parameter(torch.randn(3, 2))]
    likeness = Likeness([Owned(weight, i, len(weight)) for i, weight in enumerate(weights)])
    seen: list[int] = []
    for _ in range(5):
        sample = likeness.take()
        owners = [owner for found in sample for one in found.read(*found.tensors) for owner in one.owners]
        assert 0 < len(owners) <= 2 + alike._VALUES // (50 * 300)
        seen += owners
    assert set(seen) == set(range(10))
    assert all(alike.incoming(weight, 0).shape == (50, 300) for weight in weights[:9])


@pytest.mark.parametrize("kept", [1 << 20, 100])
def test_the_gradients_direction_equals_its_plain_version(start: Start, monkeypatch: pytest.MonkeyPatch, kept: int) -> None:
    """The cosine with the gradient of the sample before, of the whole; of large models by a subset."""
    monkeypatch.setattr(direction, "MOST_VALUES", kept)
    training = start(budget=1.0)
    before = None
    for i in range(3):
        training.step()
        now = torch.cat([p.grad.reshape(-1) for p in training.model.parameters()])
        now = now[:: -(-len(now) // kept)]
        if before is None:
            assert "grad_cosine" not in training.store
        else:
            expected = float(nn.functional.cosine_similarity(now, before, dim=0))
            assert (
                last(training, "grad_cosine") == pytest.approx(expected, abs=1e-5) and len(training.store["grad_cosine"]) == i
            )
        before = now.clone()


def test_a_direction_has_as_many_values_as_it_may_and_always_the_same_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also of a tensor that is measured at other places in each sample."""
    kept = Direction(3 * (1 << 20))
    big = torch.randn(3 << 20)
    for turn in range(2):
        kept.add_large(7, big)
        for chunk in chunks([Part(0, 7, big[turn::2], every=2.0)]):
            kept.add(chunk.flat, chunk.layout)
        taken = [one for found in kept.take() for one in found.read(*(tensor.numpy() for tensor in found.tensors))]
    both, now, before = taken[0]
    assert len(taken) == 1 and both == now == before
    assert sum(len(one.flat) for one in kept._before[1]) <= direction.MOST_VALUES


@pytest.mark.parametrize("size", [1e-25, 1e-4, 1e17])
def test_a_direction_does_not_depend_on_the_gradients_size(size: float) -> None:
    """Single precision cannot hold the squares of very small or very large numbers; also of arrays longer than a row."""
    first, second = (torch.randn(5000, generator=torch.Generator().manual_seed(i)) for i in (0, 1))
    kept = Direction(5000)
    for gradient in (first, first + second):
        for chunk in chunks([Part(0, 0, gradient * size)]):
            kept.add(chunk.flat, chunk.layout)
        taken = kept.take()
    ((both, now, before),) = taken[0].read()
    expected = float(nn.functional.cosine_similarity(first.double(), first.double() + second.double(), dim=0))
    assert both / math.sqrt(now) / math.sqrt(before) == pytest.approx(expected, rel=1e-5)


def test_no_direction_where_other_parameters_have_a_gradient(start: Start) -> None:
    """Nor where the gradient is zero; neither is an error."""
    model = nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2))
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.1), budget=1.0)
    training.step()
    model[0].requires_grad_(False)
    training.step()
    assert "grad_cosine" not in training.store
    for _ in range(2):
        training.optimizer.zero_grad()
        (model(training.inputs).sum() * 0).backward()
        training.optimizer.step()
        training.monitor.log(loss=1.0)
    assert math.isnan(last(training, "grad_cosine")) and told(training) == []


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("make", [nn.ReLU, nn.ELU, nn.LeakyReLU, nn.SiLU])
def test_signs_and_moments_equal_their_plain_versions(start: Start, make: type[nn.Module], inplace: bool) -> None:
    """The share of negative values that an activation gets, also where it overwrites them; mean and deviation of its output."""
    model = nn.Sequential(nn.Linear(8, 12), make(inplace=inplace), nn.Linear(12, 2))
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.0), budget=1.0)
    with torch.no_grad():
        before = model[0](training.inputs)
        after = model[1](before.clone()).reshape(-1).tolist()
    for _ in range(3):
        training.step()
    assert last(training, "negative_fraction/0") == pytest.approx((before < 0).double().mean().item())
    assert last(training, "activation_mean/0") == pytest.approx(math.fsum(after) / len(after), rel=1e-5)
    assert last(training, "activation_std/0") == pytest.approx(spread(after), rel=1e-5)
    assert "negative_fraction/2" not in training.store and "activation_std/2" in training.store


def test_a_subset_stands_for_the_signs_of_a_large_layer(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every k-th value; the share is right to sampling error."""
    monkeypatch.setattr(stacked, "_FEW", 500)
    model = nn.Sequential(
        nn.Unflatten(1, (2, 4)), nn.Conv1d(2, 70, 1), nn.BatchNorm1d(70), nn.Tanh(), nn.Flatten(), nn.LazyLinear(2)
    )
    model(torch.randn(2, 8))
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.0), budget=1.0)
    training.step()
    with torch.no_grad():
        given = model[:3](training.inputs)
    for name in ("1", "2"):
        assert last(training, f"negative_fraction/{name}") == pytest.approx((given < 0).double().mean().item(), abs=0.1)
    for layout in (given, given[..., None].to(memory_format=torch.channels_last), given.transpose(0, 2)):
        assert 0 < len(stacked.few(layout, 3)) <= 500


def test_the_evidence_changes_nothing_in_the_training(start: Start) -> None:
    """Same seed, channels-last images, dropout, Adam: weights and random state are those without, sampled at every step."""

    def train(watched: bool) -> list[Tensor]:
        torch.manual_seed(3)
        model = nn.Sequential(
            nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.Dropout(), nn.Flatten(), nn.Linear(8 * 16, 4)
        ).to(memory_format=torch.channels_last)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        training = start(model, optimizer, budget=1.0) if watched else None
        for _ in range(8):
            optimizer.zero_grad()
            images = torch.randn(5, 3, 6, 6).to(memory_format=torch.channels_last)
            nn.functional.cross_entropy(model(images), torch.randint(4, (5,))).backward()
            optimizer.step()
        if training:
            training.monitor.log(loss=1.0)
            assert told(training) == [] and len(training.store["grad_cosine"]) == 7
        return [*copy.deepcopy(list(model.state_dict().values())), torch.get_rng_state()]

    assert all(torch.equal(a, b) for a, b in zip(train(watched=False), train(watched=True), strict=True))


class Shared(nn.Module):
    """One layer and one activation, run several times."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.activation = nn.Linear(8, 8), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        for _ in range(3):
            x = self.activation(self.layer(x))
        return x


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[:1],
        lambda x: x[0],
        lambda x: torch.where(x > 1, torch.nan, x),
        lambda x: torch.where(x > 1, torch.inf, x),
        lambda x: x.t().contiguous().t(),
        lambda x: x.expand(3, 4, *x.shape),
        lambda x: x[:0],
    ],
)
def test_odd_batches_are_no_error(start: Start, change: Callable[[Tensor], Tensor]) -> None:
    """One sample, none, no batch, NaN, infinity, strides of all kinds; a layer and an activation that run three times."""
    model = Shared()
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.01), budget=1.0)
    training.inputs = change(training.inputs)
    for _ in range(3):
        training.step()
    assert not [text for text in told(training) if "failed" in text]
    assert "unit_similarity/layer" in training.store


def test_mixed_precision_is_measured(start: Start) -> None:
    """Under autocast, where products would be rounded to half precision."""
    training = start(budget=1.0)
    for _ in range(2):
        training.optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            training.model(training.inputs).square().mean().backward()
            training.optimizer.step()
        training.monitor.log(loss=1.0)
    assert told(training) == []
    weight = training.model[3].weight.detach()
    training.optimizer.param_groups[0]["lr"] = 0.0
    with torch.autocast("cpu", dtype=torch.bfloat16):
        training.optimizer.step()
    training.monitor.log(loss=1.0)
    assert last(training, "unit_similarity/3") == pytest.approx(plain_alike(weight, None)[0], abs=1e-6)
