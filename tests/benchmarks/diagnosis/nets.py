"""The nets of the trainings: each has a `body` and a `head`, as scripts have a backbone and a classifier."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.diagnosis.data import Data
from benchmarks.diagnosis.recipe import Recipe

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "leaky": nn.LeakyReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "elu": nn.ELU,
    "selu": nn.SELU,
    "none": nn.Identity,
}
OUTPUTS: dict[str, Callable[[], nn.Module]] = {
    "": nn.Identity,
    "softmax": lambda: nn.Softmax(-1),
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
}


class Net(nn.Module):
    """`output(head(body(x)))`; detached in between if the recipe says so."""

    def __init__(self, body: nn.Module, head: nn.Module, output: str, detached: bool) -> None:
        super().__init__()
        self.body, self.head, self.detached = body, head, detached
        self.output = OUTPUTS[output]()

    def forward(self, x: Tensor) -> Tensor:
        """[n, …] → [n, classes]."""
        hidden = self.body(x)
        return self.output(self.head(hidden.detach() if self.detached else hidden))


class Functional(nn.Module):
    """An MLP that calls its activation as a function, which no module hook sees."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """[n, in] → [n, out]."""
        for layer in self.layers:
            x = functional.relu(layer(x))
        return x


class Block(nn.Module):
    """A residual block with its normalization first."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.norm, self.a, self.act = nn.LayerNorm(width), nn.Linear(width, width), ACTIVATIONS[activation]()

    def forward(self, x: Tensor) -> Tensor:
        """[n, width] → [n, width]."""
        return x + self.act(self.a(self.norm(x)))


class Recurrent(nn.Module):
    """An RNN, LSTM or GRU; of a text all outputs, of a series the last one's."""

    def __init__(self, kind: str, features: int, width: int, depth: int, tokens: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(tokens, width) if tokens else None
        self.cell = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}[kind](features, width, depth, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """[n, t] or [n, t, features] → [n, t, width] or [n, width]."""
        hidden: Tensor = self.cell(x if self.embedding is None else self.embedding(x))[0]
        return hidden[:, -1] if self.embedding is None else hidden


class Transformer(nn.Module):
    """A small encoder with learned positions; causal over a text, else its mean."""

    def __init__(self, recipe: Recipe, features: int, length: int, tokens: int) -> None:
        super().__init__()
        width = recipe.width
        self.tokens = tokens
        self.entry = nn.Embedding(tokens, width) if tokens else nn.Linear(features, width)
        self.positions = nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(
            width, 4, 2 * width, recipe.dropout, recipe.activation if recipe.activation == "gelu" else "relu",
            batch_first=True, norm_first=True,
        )  # fmt: skip
        self.blocks = nn.TransformerEncoder(layer, recipe.depth, enable_nested_tensor=False)
        self.register_buffer("mask", nn.Transformer.generate_square_subsequent_mask(length), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[n, t] or [n, t, features] → [n, t, width] or [n, width]."""
        hidden = self.entry(x) + self.positions
        if self.tokens:
            return self.blocks(hidden, mask=self.mask, is_causal=True)  # type: ignore[no-any-return]
        return self.blocks(hidden).mean(1)  # type: ignore[no-any-return]


def build(recipe: Recipe, data: Data) -> Net:
    """The net of a recipe, initialized, with the layers frozen that are to be."""
    width = 2 if recipe.loss == "gaussian" else data.classes
    body, features = BUILDERS[recipe.net](recipe, data)
    net = Net(body, nn.Linear(features, width), recipe.output, recipe.untrained == "detached")
    initialize(net, recipe.init)
    if recipe.untrained == "frozen":
        net.body.requires_grad_(False)
    return net


def _stacked(sizes: list[int], recipe: Recipe) -> nn.Sequential:
    parts: list[nn.Module] = []
    for a, b in itertools.pairwise(sizes):
        parts.append(nn.Linear(a, b))
        parts += {"batch": [nn.BatchNorm1d(b)], "layer": [nn.LayerNorm(b)]}.get(recipe.norm, [])
        parts.append(ACTIVATIONS[recipe.activation]())
        parts += [nn.Dropout(recipe.dropout)] if recipe.dropout else []
    return nn.Sequential(*parts)


def _mlp(recipe: Recipe, data: Data) -> tuple[nn.Module, int]:
    features = data.x[0].numel()
    if recipe.residual:
        entry = nn.Linear(features, recipe.width)
        blocks = [Block(recipe.width, recipe.activation) for _ in range(recipe.depth)]
        return nn.Sequential(entry, *blocks, nn.LayerNorm(recipe.width)), recipe.width
    return _stacked([features] + [recipe.width] * recipe.depth, recipe), recipe.width if recipe.depth else features


def _functional(recipe: Recipe, data: Data) -> tuple[nn.Module, int]:
    return Functional([data.x[0].numel()] + [recipe.width] * recipe.depth), recipe.width


def _cnn(recipe: Recipe, data: Data) -> tuple[nn.Module, int]:
    parts: list[nn.Module] = []
    channels = data.x.shape[1]
    for i in range(recipe.depth):
        parts.append(nn.Conv2d(channels, recipe.width, 3, padding=1))
        parts += [nn.BatchNorm2d(recipe.width)] if recipe.norm == "batch" else []
        parts.append(ACTIVATIONS[recipe.activation]())
        parts += [nn.MaxPool2d(2)] if i < 2 else []
        channels = recipe.width
    parts += [nn.Flatten()] + ([nn.Dropout(recipe.dropout)] if recipe.dropout else [])
    return nn.Sequential(*parts), recipe.width * (8 // 2 ** min(recipe.depth, 2)) ** 2


def _autoencoder(recipe: Recipe, data: Data) -> tuple[nn.Module, int]:
    features = data.x.shape[1]
    down = [features] + [recipe.width] * (recipe.depth - 1) + [recipe.narrow]
    up = [recipe.narrow] + [recipe.width] * (recipe.depth - 1)
    into, outof = _stacked(down, recipe), _stacked(up, recipe)
    return nn.Sequential(into[:-1], outof), up[-1]  # the code itself is linear


def _recurrent(kind: str) -> Callable[[Recipe, Data], tuple[nn.Module, int]]:
    def builder(recipe: Recipe, data: Data) -> tuple[nn.Module, int]:
        tokens = data.classes if data.task == "tokens" else 0
        return Recurrent(kind, recipe.width if tokens else data.x.shape[2], recipe.width, recipe.depth, tokens), recipe.width

    return builder


def _transformer(recipe: Recipe, data: Data) -> tuple[nn.Module, int]:
    tokens = data.classes if data.task == "tokens" else 0
    return Transformer(recipe, 0 if tokens else data.x.shape[2], data.x.shape[1], tokens), recipe.width


BUILDERS: dict[str, Callable[[Recipe, Data], tuple[nn.Module, int]]] = {
    "mlp": _mlp,
    "functional": _functional,
    "cnn": _cnn,
    "autoencoder": _autoencoder,
    "rnn": _recurrent("rnn"),
    "lstm": _recurrent("lstm"),
    "gru": _recurrent("gru"),
    "transformer": _transformer,
}


@torch.no_grad()
def initialize(net: Net, how: str) -> None:
    """Changes torch's own initialization; `how` holds words, done in turn.

    constant:F (all weights F, no biases), zeros, normal:F (weights of deviation F, no biases), times:F (weights F times as
    large), bias:F (biases of the body), last:F (weights of the head F times as large), recurrent:F (F times the identity),
    he (Kaiming's, for ReLU), orthogonal.
    """
    for word in how.split():
        kind, _, number = word.partition(":")
        INITS[kind](net, float(number or 0))


def _weights(net: nn.Module) -> list[nn.Parameter]:
    return [p for p in net.parameters() if p.dim() > 1]


def _biases(net: nn.Module) -> list[nn.Parameter]:
    return [p for name, p in net.named_parameters() if "bias" in name]


def _constant(net: Net, value: float) -> None:
    for p in _weights(net):
        p.fill_(value)
    for p in _biases(net):
        p.zero_()


def _normal(net: Net, std: float) -> None:
    for p in _weights(net):
        p.normal_(0, std)
    for p in _biases(net):
        p.zero_()


def _times(net: Net, factor: float) -> None:
    for p in _weights(net):
        p.mul_(factor)


def _bias(net: Net, value: float) -> None:
    for p in _biases(net.body):
        p.fill_(value)


def _last(net: Net, factor: float) -> None:
    for p in net.head.parameters():
        p.mul_(factor)


def _recurrence(net: Net, factor: float) -> None:
    for name, p in net.named_parameters():
        if "weight_hh" in name:
            p.copy_(factor * torch.eye(p.shape[1]).repeat(p.shape[0] // p.shape[1], 1))


def _he(net: Net, _: float) -> None:
    for p in _weights(net):
        nn.init.kaiming_normal_(p, nonlinearity="relu")


def _orthogonal(net: Net, _: float) -> None:
    for p in _weights(net):
        nn.init.orthogonal_(p)


INITS: dict[str, Callable[[Net, float], None]] = {
    "constant": _constant,
    "zeros": lambda net, _: _constant(net, 0.0),
    "normal": _normal,
    "times": _times,
    "bias": _bias,
    "last": _last,
    "recurrent": _recurrence,
    "he": _he,
    "orthogonal": _orthogonal,
}
