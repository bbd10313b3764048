"""Layer statistics: each equals a plain version of itself, and taking them changes nothing."""

from __future__ import annotations

import copy
import json
import math
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

import tuimon
from tuimon.log import histogram
from tuimon.log.reader import RunReader
from tuimon.log.records import Notice, Refused, RunStarted
from tuimon.monitor.probe import probe
from tuimon.monitor.probe.found import Room
from tuimon.monitor.probe.layers import find_layers
from tuimon.monitor.probe.outputs import MOST_FORWARDS
from tuimon.monitor.probe.parameters import Parameters
from tuimon.monitor.probe.probe import Probe
from tuimon.monitor.probe.recorder import DEAD_UNITS_TAG
from tuimon.monitor.probe.schedule import Schedule
from tuimon.monitor.probe.verdicts import WINDOW

Start = Callable[..., Any]
TABLE = ("grad_norm/", "weight_norm/", "update_ratio/", "saturated_fraction/", "dead_units/", "dead_fraction/")


def last(training: Any, tag: str) -> float:
    return float(training.store[tag].values[-1])


def errors(training: Any) -> list[str]:
    return [notice.text for notice in training.events(Notice) if notice.level == "error"]


def train(make: Callable[[], nn.Module], watch: Callable[[nn.Module, torch.optim.Optimizer], Any] | None) -> list[torch.Tensor]:
    torch.manual_seed(7)
    model = make()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    monitor = watch(model, optimizer) if watch else None
    for _ in range(12):
        optimizer.zero_grad()
        loss = model(torch.randn(16, 8)).square().mean()
        loss.backward()
        optimizer.step()
        if monitor:
            monitor.log(loss=loss)
    return [p.detach() for p in model.parameters()] + [torch.get_rng_state()]


def test_training_is_bit_identical_with_all_samples_taken(start: Start) -> None:
    """Same seed, dropout, Adam: with statistics at every step, the weights and the random state are those without."""

    def make() -> nn.Module:
        return nn.Sequential(
            nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(32, 4), nn.Tanh()
        )

    plain = train(make, None)
    watched = train(make, lambda model, optimizer: start(model, optimizer, budget=1.0).monitor)
    assert all(torch.equal(a, b) for a, b in zip(plain, watched, strict=True))


@pytest.mark.parametrize("handed_over", [True, False])
def test_every_statistic_equals_its_plain_version(start: Start, monkeypatch: pytest.MonkeyPatch, handed_over: bool) -> None:
    """Norms, histograms, ranges and ratios of a step are plain PyTorch's, whether counted on the log's thread or at once."""
    if not handed_over:
        monkeypatch.setattr(Room, "takes", lambda *_: False)
    monkeypatch.setattr(probe, "COUNT_WEIGHTS_EVERY", 1)
    model = nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4))
    training = start(model, torch.optim.Adam(model.parameters(), lr=0.01), budget=1.0)
    training.step()
    before = copy.deepcopy(model)
    with torch.no_grad():
        hidden = model[1](model[0](training.inputs))
    training.step()
    store = training.store
    for name, i in (("0", 0), ("2", 2)):
        gradients = torch.cat([p.grad.reshape(-1) for p in model[i].parameters()])
        now, old = (torch.cat([p.detach().reshape(-1) for p in m[i].parameters()]) for m in (model, before))
        assert last(training, f"grad_norm/{name}") == pytest.approx(gradients.norm().item(), rel=1e-5)
        assert last(training, f"weight_norm/{name}") == pytest.approx(now.norm().item(), rel=1e-5)
        assert last(training, f"update_ratio/{name}") == pytest.approx(((now - old).norm() / old.norm()).item(), rel=1e-3)
        for kind, values in (("gradient", gradients), ("weight", now), ("update", now - old)):
            assert store.histograms[f"{kind}/{name}"].counts[-1].tolist() == histogram.of(values.tolist()).counts
    plain = histogram.of(hidden.reshape(-1).tolist())
    assert store.histograms["activation/0"].counts[-1].tolist() == plain.counts
    assert (last(training, "activation_min/0"), last(training, "activation_max/0")) == pytest.approx((plain.min, plain.max))


def test_weights_are_counted_in_some_samples(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first, and every few, which then say the same of all else; a NaN among the weights is in their norm."""

    def trained(every: int) -> Any:
        torch.manual_seed(0)
        monkeypatch.setattr(probe, "COUNT_WEIGHTS_EVERY", every)
        training = start(budget=1.0, name=f"every-{every}")
        for _ in range(5):
            training.step()
        with torch.no_grad():
            training.model[0].weight[0, 0] = torch.nan
        for _ in range(2):
            training.step()
        return training.store

    often, seldom = trained(1), trained(4)
    assert seldom.histograms["weight/0"].steps.tolist() == seldom.histograms["update/0"].steps.tolist() == [1, 5]
    assert often.histograms["weight/0"].steps.tolist() == [1, 2, 3, 4, 5, 6, 7]
    for kind in ("weight_norm/0", "weight_norm/3", "update_ratio/3"):
        np.testing.assert_allclose(often[kind].values, seldom[kind].values, rtol=1e-6)
    assert math.isnan(often["weight_norm/0"].values[-1])


@pytest.mark.parametrize("handed_over", [True, False])
def test_a_sample_of_the_layer_table_alone_says_the_same_of_it(
    start: Start, monkeypatch: pytest.MonkeyPatch, handed_over: bool
) -> None:
    """Where there is no room for more: its numbers are those of a whole sample, and nothing else is logged or worked out."""
    if not handed_over:
        monkeypatch.setattr(Room, "takes", lambda *_: False)

    def table(whole: bool) -> tuple[dict[str, list[float]], set[str]]:
        torch.manual_seed(0)
        monkeypatch.setattr(Schedule, "wants_rest", whole)
        model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
        with torch.no_grad():
            model[2].weight[3], model[2].bias[3] = 0.0, -1.0
        training = start(model, torch.optim.Adam(model.parameters(), lr=0.01), budget=1.0, name=f"whole-{whole}")
        for _ in range(WINDOW):
            training.step()
        store = training.store
        shown = {tag: store[tag].values.tolist() for tag in store if tag.startswith(TABLE)}
        return shown, {tag for tag in (*store, *store.histograms) if "/" in tag and not tag.startswith((*TABLE, "loss/"))}

    (whole, others), (alone, none) = table(whole=True), table(whole=False)
    assert whole.keys() == alone.keys() and len(whole) > 12 and len(others) > 12 and not none
    assert all(whole[tag] == pytest.approx(alone[tag], rel=1e-6) for tag in whole)
    assert alone["dead_units/2"] == [1.0]


def test_a_packed_table_says_the_same_as_scalars(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is no room for these: the same points, to readers of all and of little, and to TensorBoard no error."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    def table(scalars: bool) -> tuple[dict[str, list[float]], list[str]]:
        torch.manual_seed(0)
        monkeypatch.setattr(Schedule, "wants_scalars", scalars)
        model = nn.Sequential(nn.Linear(8, 6), nn.Tanh(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2))
        training = start(model, torch.optim.Adam(model.parameters(), lr=0.01), budget=1.0, name=f"scalars-{scalars}")
        for _ in range(WINDOW + 2):
            training.step()
        store, reader = training.store, RunReader(training.monitor.run_dir, brief=True)
        brief = reader.read()
        reader.close()
        shown = {tag: store[tag].values.tolist() for tag in store if tag.startswith(TABLE)}
        assert all(brief.scalars[tag].values.tolist() == shown[tag] for tag in shown)
        return shown, EventAccumulator(str(training.monitor.run_dir)).Reload().Tags()["scalars"]

    (scalars, told), (packed, untold) = table(scalars=True), table(scalars=False)
    assert scalars == packed and len(scalars) > 12
    assert scalars.keys() <= set(told) and not scalars.keys() & set(untold) and "activation_mean/0" in untold


def test_dead_units_are_counted_and_named(start: Start) -> None:
    """Units whose ReLU is zero for every sample of a window are dead; before the window is full nobody is called dead."""
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].weight[[1, 4]] = 0.0
        model[0].bias[[1, 4]] = -1.0
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.01), budget=1.0)
    for _ in range(WINDOW - 1):
        training.step()
    assert "dead_units/0" not in training.store.series
    training.step()
    assert last(training, "dead_units/0") == 2
    assert last(training, "dead_fraction/0") == pytest.approx(2 / 6)
    assert last(training, "dead_units/2") == 0
    assert json.loads(training.store.texts[DEAD_UNITS_TAG][-1].text) == {"0": [1, 4]}


def test_a_unit_that_wakes_up_is_not_dead(start: Start) -> None:
    """One sample with output in the window is enough."""
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    with torch.no_grad():
        model[0].weight[3] = 0.0
        model[0].bias[3] = -1.0
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.01), budget=1.0)
    for _ in range(WINDOW):
        training.step()
    with torch.no_grad():
        model[0].bias[3] = 1.0
    training.step()
    assert training.store["dead_units/0"].values.tolist() == [1.0, 0.0]


def test_a_units_gradient_counts_even_if_its_output_is_zero(start: Start) -> None:
    """A unit that puts out zero but still receives a gradient can come back: it is not dead."""

    class Leaky(nn.Hardshrink):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x - x.detach()

    model = nn.Sequential(nn.Linear(8, 6), Leaky(), nn.Linear(6, 2))
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.01), budget=1.0)
    for _ in range(WINDOW):
        training.step()
    assert last(training, "activation_max/0") == 0.0
    assert last(training, "dead_units/0") == 0


class Functional(nn.Module):
    """A model whose activation is a plain function: nothing but gradients tells of its units."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 5, 3, padding=1)
        self.out = nn.Linear(5, 2)
        with torch.no_grad():
            self.conv.weight[2] = 0.0
            self.conv.bias[2] = -1.0  # type: ignore[index]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.conv(x.reshape(16, 1, 2, 4)))
        return self.out(x.mean((2, 3)))


def test_units_of_a_convolution_are_channels_and_functions_need_no_module(start: Start) -> None:
    """With `torch.relu` the gradient's rows decide alone."""
    model = Functional()
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.01), budget=1.0)
    for _ in range(WINDOW):
        training.step()
    assert last(training, "dead_units/conv") == 1
    assert json.loads(training.store.texts[DEAD_UNITS_TAG][-1].text) == {"conv": [2]}


@pytest.mark.parametrize(
    ("activation", "bias", "fraction"),
    [
        (nn.Tanh(), 5.0, 0.5),
        (nn.Sigmoid(), -8.0, 0.5),
        (nn.Softsign(), 90.0, 0.5),
        (nn.Hardtanh(), -5.0, 0.5),
        (nn.ReLU(), 9.0, None),
    ],
)
def test_saturated_units_sit_at_an_asymptote(start: Start, activation: nn.Module, bias: float, fraction: float | None) -> None:
    """Half of the units are pushed to an asymptote and half stay in the middle; ReLU has no such notion."""
    model = nn.Sequential(nn.Linear(8, 4), activation, nn.Linear(4, 2))
    with torch.no_grad():
        model[0].weight.mul_(0.1)
        model[0].bias.copy_(torch.tensor([bias, bias, 0.0, 0.0]))
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.0), budget=1.0)
    training.step()
    if fraction is None:
        assert "saturated_fraction/0" not in training.store.series
    else:
        assert last(training, "saturated_fraction/0") == fraction


def test_an_activation_counts_for_the_layer_and_its_norm(start: Start) -> None:
    """Linear, batch norm, ReLU: both layers are told of what the ReLU puts out."""
    model = nn.Sequential(nn.Linear(8, 6, bias=False), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2))
    training = start(model, budget=1.0)
    training.step()
    assert last(training, "activation_min/0") == last(training, "activation_min/1") == 0.0


def test_evaluation_and_forwards_without_gradient_are_not_looked_at(start: Start) -> None:
    """A teacher or a validation in the same step leaves the activations to the training's own forward."""
    training = start(budget=1.0)
    with torch.no_grad():
        training.model(torch.full((16, 8), 1e6))
    training.model.eval()
    training.model(torch.full((16, 8), 1e6))
    training.model.train()
    training.step()
    assert last(training, "activation_max/0") < 1e3


def test_several_forwards_of_a_step_add_up(start: Start) -> None:
    """Gradient accumulation: the histogram holds the outputs of all micro-batches."""
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    training = start(model, budget=1.0)
    for _ in range(2):
        model(torch.randn(16, 8)).square().mean().backward()
        training.step()
    assert training.store.histograms["activation/0"].counts.sum(1).tolist() == [2 * 16 * 6, 2 * 16 * 6]


def test_a_sample_looks_at_a_bounded_number_of_forwards(start: Start) -> None:
    """Where an optimizer's step is long in coming, the forwards before it are not slowed down for ever."""
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    training = start(model, budget=1.0)
    for _ in range(2):
        for _ in range(MOST_FORWARDS + 9):
            model(torch.randn(16, 8))
        training.step()
    counts = training.store.histograms["activation/0"].counts.sum(1)
    assert counts.tolist() == [MOST_FORWARDS * 16 * 6] * 2
    assert training.store.histograms["activation/2"].counts.sum(1).tolist() == [MOST_FORWARDS * 16 * 2] * 2


class Tied(nn.Module):
    """One weight, used by two layers."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.second = nn.Linear(8, 8)
        self.second.weight = self.first.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second(self.first(x))


class Recurrent(nn.Module):
    """Puts out a tuple."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(4, 5, batch_first=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.rnn(x.reshape(16, 2, 4))[0]


class PackedRecurrent(Recurrent):
    """Puts out a packed sequence in a tuple."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = nn.utils.rnn.pack_padded_sequence(x.reshape(16, 2, 4), [2] * 8 + [1] * 8, batch_first=True)
        return self.rnn(x)[0].data


def test_padding_is_no_part_of_a_packed_sequences_activations(start: Start) -> None:
    """Of sixteen sequences of one or two steps, what the layer puts out for each of the 24 steps that there are."""
    training = start(PackedRecurrent(), budget=1.0)
    training.step()
    assert training.store.histograms["activation/rnn"].counts.sum() == 24 * 5


class Attending(nn.Module):
    """Has a projection that no forward hook sees."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.norm = nn.LayerNorm(8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embedding((x * 3).long() % 20)
        return self.norm(self.attention(x, x, x)[0])


class SparseEmbedding(nn.Module):
    """Has a sparse gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8, sparse=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.embedding((x * 3).long() % 20)


def frozen() -> nn.Module:
    model = nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2))
    model[0].requires_grad_(False)
    return model


def parametrized() -> nn.Module:
    first, second = parametrizations.spectral_norm(nn.Linear(8, 6)), parametrizations.weight_norm(nn.Linear(6, 2))
    return nn.Sequential(first, nn.ReLU(), second)


def unusual() -> nn.Module:
    convolution = nn.ConvTranspose1d(2, 6, 2, groups=2)
    return nn.Sequential(nn.Unflatten(1, (2, 4)), convolution, nn.PReLU(6), nn.GroupNorm(2, 6), nn.Flatten(), nn.LazyLinear(3))


@pytest.mark.parametrize("make", [Tied, Recurrent, Attending, frozen, parametrized, unusual, SparseEmbedding, Functional])
def test_unusual_models_are_sampled_without_an_error_and_train_alike(start: Start, make: Callable[[], nn.Module]) -> None:
    """Shared, frozen, sparse, recurrent, parametrized, lazy: all statistics that apply are there, and training is the same."""

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        model(torch.randn(16, 8))
        return torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)

    torch.manual_seed(1)
    plain = make()
    plain_optimizer = optimizer(plain)
    torch.manual_seed(1)
    model = make()
    training = start(model, optimizer(model), budget=1.0)
    for _ in range(WINDOW + 1):
        training.step()
        plain_optimizer.zero_grad()
        plain(training.inputs).square().mean().backward()
        plain_optimizer.step()
    assert errors(training) == []
    assert all(torch.equal(a, b) for a, b in zip(plain.parameters(), model.parameters(), strict=True))
    assert len([tag for tag in training.store.series if tag.startswith("weight_norm/")]) >= 1
    assert len([tag for tag in training.store.series if tag.startswith("grad_norm/")]) >= 1


def test_shared_parameters_count_once(start: Start) -> None:
    """They are the first layer's; the second has what is its own."""
    model = Tied()
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.1), budget=1.0)
    training.step()
    assert training.store.started.parameters == 8 * 8 + 8 + 8
    own = [model.first.weight.grad, model.first.bias.grad]
    assert last(training, "grad_norm/first") == pytest.approx(torch.cat([g.flatten() for g in own]).norm().item())
    assert last(training, "grad_norm/second") == pytest.approx(model.second.bias.grad.norm().item())


def test_layers_that_were_exchanged_are_watched_once_the_run_is_described_again(start: Start) -> None:
    """A head of another width in the old one's place: its own statistics, and no longer those of the one that is gone."""
    training = start(nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 2)), budget=1.0)
    for _ in range(WINDOW):
        training.step()
    training.model[2] = nn.Linear(6, 5)
    training.optimizer.add_param_group({"params": training.model[2].parameters()})
    training.monitor.describe()
    for _ in range(WINDOW):
        training.step()
    store = training.store
    assert errors(training) == [] and store["grad_norm/2"].steps.tolist() == list(range(1, 2 * WINDOW + 1))
    weights = torch.cat([p.detach().flatten() for p in training.model[2].parameters()])
    assert last(training, "weight_norm/2") == pytest.approx(weights.norm().item())
    assert len(store["activation_max/0"]) == 2 * WINDOW
    assert training.events(RunStarted)[-1].layers[-1].units == 5


def test_complex_parameters_have_a_norm(start: Start) -> None:
    """A layer of nothing else has its weights told of like any other."""
    model = nn.Linear(8, 4, dtype=torch.complex64)
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.0), budget=1.0)
    model(training.inputs.to(torch.complex64)).abs().sum().backward()
    training.optimizer.step()
    norms = [p.detach().abs().square().sum().item() for p in model.parameters()]
    assert last(training, "weight_norm/Linear") == pytest.approx(sum(norms) ** 0.5)


def test_a_default_device_is_not_where_numbers_are_gathered(start: Start) -> None:
    """What a sample needs is made where the layers are, whatever `torch.set_default_device` says."""
    training = start(budget=1.0)
    with torch.device("meta"):
        training.step()
    assert errors(training) == [] and last(training, "grad_norm/0") > 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_parameters_are_measured_in_full(start: Start, dtype: torch.dtype) -> None:
    """A norm beyond half precision's range is not infinite."""
    model = nn.Linear(8, 4).to(dtype)
    with torch.no_grad():
        model.weight.fill_(3e4)
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.0), budget=1.0)
    training.optimizer.zero_grad()
    model(torch.full((1, 8), 1e-4, dtype=dtype)).sum().backward()
    training.optimizer.step()
    assert last(training, "weight_norm/Linear") == pytest.approx(3e4 * 32**0.5, rel=1e-2)
    assert errors(training) == []


def test_a_model_without_trained_parameters_is_watched(start: Start) -> None:
    """Nothing requires a gradient: weights are told of, gradients are not."""
    model = nn.Linear(8, 4).requires_grad_(False)
    training = start(model, torch.optim.SGD(model.parameters(), lr=0.1), budget=1.0)
    training.optimizer.step()
    training.monitor.log(loss=1.0)
    assert "weight_norm/Linear" in training.store.series
    assert "grad_norm/Linear" not in training.store.series


@pytest.mark.parametrize("where", ["parameters.chunks", "parameters.tally_on_host", "signs.few", "ends.feature_dim"])
def test_an_error_in_the_probe_is_told_once_and_training_goes_on(
    start: Start, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    """In the step, on the log's thread, in a hook: the probe gives up, with a notice and a traceback; no hook stays behind."""
    training = start(budget=1.0)

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("no such thing")

    monkeypatch.setattr(f"tuimon.monitor.probe.{where}", broken)
    for _ in range(3):
        training.step()
        training.monitor._writer.flush()
    training.step()
    assert errors(training) == ["the monitor's probe failed: ZeroDivisionError: no such thing"]
    assert capsys.readouterr().err.count("Traceback") == 1
    assert not any(m._forward_hooks for m in training.model.modules())
    assert len(training.store["loss/train"]) == 4


def test_hooks_are_there_only_while_a_sample_is_taken(start: Start) -> None:
    """The first step is sampled; between samples the model has no hook."""
    training = start(budget=1e-9)
    assert any(m._forward_hooks for m in training.model.modules())
    training.step()
    assert not any(m._forward_hooks for m in training.model.modules())
    training.step()
    assert training.store["grad_norm/0"].steps.tolist() == [1]


def test_a_compiled_model_is_sampled_without_its_activations(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks would have it compiled again and again; what is left out is said, once."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "compiled"))
    training = start(
        model=torch.compile(nn.Sequential(nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 4)), backend="eager"), budget=1.0
    )
    for _ in range(3):
        training.step()
    notices = [event.text for event in training.events(Notice)]
    assert sum("no activation statistics" in text for text in notices) == 1
    tags = set(training.store) | set(training.store.histograms)
    assert any(tag.startswith("gradient/") for tag in tags) and not any(tag.startswith("activation") for tag in tags)


@pytest.mark.filterwarnings("ignore:.*is deprecated", "ignore:Dynamo does not know")
def test_a_sample_is_not_compiled_with_the_optimizers_step(start: Start) -> None:
    """`torch.compile` around the step has as much to do as without it, and the weights are the same."""

    def compiled_graphs(watched: bool) -> tuple[int, torch.Tensor]:
        torch.manual_seed(0)
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        model = nn.Linear(8, 4)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        training = start(model, optimizer, budget=1.0) if watched else None
        step = torch.compile(optimizer.step, backend="eager")
        for _ in range(4):
            optimizer.zero_grad()
            model(torch.ones(2, 8)).square().mean().backward()
            step()
        if training:
            assert training.monitor.step == 4 and len(training.store["update_ratio/Linear"]) == 4
        return torch._dynamo.utils.counters["stats"]["unique_graphs"], model.weight

    (plain, weight), (watched, watched_weight) = compiled_graphs(False), compiled_graphs(True)
    assert watched == plain and torch.equal(weight, watched_weight)


def test_a_model_can_be_copied_and_saved_whole_while_it_is_sampled(start: Start, tmp_path: Path) -> None:
    """Averaged copies and pickles of model and optimizer work at any time, and carry nothing of the monitor."""
    training = start(budget=1.0)
    twin = copy.deepcopy(training.model)
    torch.save(training.model, tmp_path / "model.pt")
    loaded = torch.load(tmp_path / "model.pt", weights_only=False)
    copy.deepcopy(training.optimizer)
    for model in (twin, loaded):
        model(torch.full((16, 8), 1e6))
    training.step()
    assert last(training, "activation_max/0") < 1e3
    assert b"tuimon" not in (tmp_path / "model.pt").read_bytes()


def test_a_sample_for_which_there_is_no_memory_is_given_up_with_all_that_it_holds(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy of the weights is as large as the model; the next sample is tried later."""
    training = start(budget=1.0)
    probe, real = training.monitor._probe, Probe._finish

    def out_of_memory(*_: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(Probe, "_finish", out_of_memory)
    training.step()
    assert not probe._found and not probe._parameters._before and not probe._outputs._held
    monkeypatch.setattr(Probe, "_finish", real)
    for _ in range(3):
        training.step()
    assert len(training.store["grad_norm/0"]) > 0
    notices = [notice.text for notice in training.events(Notice)]
    assert notices == ["skipped a sample of the layers: not enough GPU memory"]


def test_a_step_that_is_captured_in_a_cuda_graph_is_left_alone(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever ran in the hooks would be part of the graph, or end the capture; said once."""
    training = start(budget=1.0)
    training.step()
    capturing = True
    monkeypatch.setattr(training.monitor._steps, "_wary", True)
    monkeypatch.setattr(Parameters, "device", torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: capturing)
    monkeypatch.setattr(torch.cuda, "current_stream", None)  # to be asked for nothing
    training.step(log=False)
    training.step(log=False)
    assert training.monitor.step == 1 and len(training.store["grad_norm/0"]) == 1
    assert [notice.text for notice in training.events(Notice)] == [
        "the optimizer's step was captured in a CUDA graph: its replays are not counted, and levers do not affect them"
    ]
    capturing = False
    monkeypatch.undo()
    training.step()
    assert training.monitor.step == 2 and len(training.store["grad_norm/0"]) == 2


def test_a_model_without_layers_does_not_take_samples_over_and_over(start: Start) -> None:
    """A sample that finds nothing to measure is paid for like any other."""
    parameter = nn.Parameter(torch.ones(4, 8))
    training = start(nn.Identity(), torch.optim.SGD([parameter], lr=0.1))
    armed = []
    arm = training.monitor._probe.arm
    training.monitor._probe.arm = lambda: (armed.append(1), arm())
    for _ in range(50):
        parameter.sum().backward()
        training.optimizer.step()
    assert len(armed) < 25


SHARDED = """
import sys, torch, torch.distributed as dist, tuimon
from pathlib import Path
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from tuimon.log.records import Command
torch.set_num_threads(1)
dist.init_process_group("gloo", init_method=f"file://{sys.argv[1]}/meet", rank=int(sys.argv[2]), world_size=2)
torch.manual_seed(0)
model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
fully_shard(model, mesh=init_device_mesh("cpu", (2,)))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
monitor = tuimon.watch(model, optimizer, run_dir=Path(sys.argv[1], "run"), budget=1.0, meters=False, serve=False) \
    if sys.argv[2] == "0" else None
for step in range(6):
    loss = model(torch.ones(4, 8)).square().sum()
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    if monitor:
        monitor.log(loss=loss.detach())
        if step == 2:
            for lever, op, value in (("clip_norm", "set", 1.0), ("lr_scale", "multiply", 0.5), ("checkpoint", "do", None)):
                monitor.send(Command(lever, op, value))
if monitor:
    monitor.close()
dist.destroy_process_group()
"""


def test_one_rank_of_a_sharded_model_is_watched_without_asking_the_other(tmp_path: Path) -> None:
    """A collective on one rank alone would hang or break the training; what would have to move in both is refused."""
    ranks = [
        subprocess.Popen([sys.executable, "-c", SHARDED, str(tmp_path), rank], stderr=subprocess.PIPE, text=True)
        for rank in "01"
    ]
    errors = [rank.communicate(timeout=120)[1] for rank in ranks]
    assert [rank.returncode for rank in ranks] == [0, 0], errors
    store = tuimon.read_run(tmp_path / "run")
    assert len(store["grad_norm/0"]) == len(store["loss/train"]) == 6
    refused = [record.event for record in store.events if isinstance(record.event, Refused)]
    assert [one.lever for one in refused] == ["clip_norm", "lr_scale"] and "2 processes train this model together" in refused[
        0
    ].reason
    notices = [record.event.text for record in store.events if isinstance(record.event, Notice)]
    assert notices == ["the model is sharded over several processes: norms and histograms cover this process's shard only"]


def test_a_forward_that_is_recorded_or_transformed_is_not_looked_at(start: Start) -> None:
    """`torch.jit.trace`, an export and `vmap` in the middle of a training, while a sample is being taken."""
    training = start(budget=1.0)
    training.step()
    training.model[2].p = 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.trace(training.model, training.inputs)
    torch.export.export(training.model, (training.inputs,))
    torch.func.vmap(training.model)(training.inputs)
    training.step()
    assert not errors(training) and len(training.store["activation_max/0"]) == 2


class Wrapper(nn.Module):
    """As data parallel does it."""

    def __init__(self, module: nn.Module, **others: nn.Module) -> None:
        super().__init__()
        self.module = module
        for name, other in others.items():
            self.add_module(name, other)


def test_layers_have_their_own_names_inside_of_wrappers() -> None:
    """Whatever is wrapped in what; a model of the user's own that calls a part `module` keeps it apart from the others."""

    def net() -> nn.Module:
        return nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))

    def compiled(model: nn.Module) -> nn.Module:
        return torch.compile(model, backend="eager")  # type: ignore[no-any-return]

    def names(model: nn.Module) -> list[str]:
        return [layer.name for layer in find_layers(model)]

    for model in (net(), Wrapper(net()), compiled(net()), compiled(Wrapper(net())), Wrapper(compiled(net()))):
        assert names(model) == ["0", "2"]
    assert names(compiled(nn.Linear(2, 2))) == names(Wrapper(nn.Linear(2, 2))) == ["Linear"]
    assert names(nn.Sequential(compiled(net()), compiled(nn.Linear(2, 2)))) == ["0.0", "0.2", "1"]
    assert names(Wrapper(nn.Sequential(nn.Linear(2, 2)), **{"0": nn.Linear(2, 2)})) == ["module.0", "0"]
