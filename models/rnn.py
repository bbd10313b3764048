"""Recurrent network: layers of plain, LSTM or GRU cells that read a sequence from start to end.

For text it reads characters and predicts the next one at each position. It reads an image row by row and a table's inputs one
by one, with one output after the last. Layers are named embed, rnn1, rnn2, … and out.
"""

from __future__ import annotations

from torch import Tensor, nn

from tuimon.base.errors import TuimonError
from tuimon.spec.spec import Spec
from tuimon.training.parts import normalization
from tuimon.training.parts.sequences import rows, rows_shape


def build(spec: Spec) -> nn.Module:
    """Text: [B, T] → [B, T, outputs]; anything else: [B, *input_shape] → [B, outputs]."""
    return Recurrent(spec)


class Recurrent(nn.Module):
    """A stack of recurrent layers between an embedding (for text) and a linear layer."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        plan, data = spec.model, spec.data
        if not plan.hidden:
            raise TuimonError("model.hidden: a recurrent network needs at least one layer")
        self.is_text = data.known.task == "text"
        self.embed = nn.Embedding(data.outputs, plan.hidden[0]) if self.is_text else None
        self.layers = nn.Sequential()
        width = plan.hidden[0] if self.is_text else rows_shape(data.input_shape)[1]
        for number, units in enumerate(plan.hidden, start=1):
            self.layers.add_module(f"rnn{number}", cell(spec, width, units))
            if plan.norm != "none":
                self.layers.add_module(f"norm{number}", PositionNorm(plan.norm, units))
            self.layers.add_module(f"drop{number}", nn.Dropout(plan.dropout))
            width = units
        self.out = nn.Linear(width, data.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs at every position for text, else after the last: [B, T, outputs] or [B, outputs]."""
        x = rows(x) if self.embed is None else self.embed(x)
        for layer in self.layers:
            x = layer(x)
            if isinstance(x, tuple):
                x, _ = x  # the outputs at each position; the final state is not needed
        out: Tensor = self.out(x if self.is_text else x[:, -1])
        return out


class PositionNorm(nn.Module):
    """Normalizes [B, T, units]: over the units of each position (layer), or over batch and positions of each unit (batch)."""

    def __init__(self, name: str, units: int) -> None:
        super().__init__()
        if name == "group":
            raise TuimonError("model.norm = 'group': a recurrent network takes none, layer or batch")
        self.norm = normalization(name, units)
        self.over_batch = name == "batch"

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, units] → the same shape."""
        assert self.norm is not None
        return self.norm(x.transpose(1, 2)).transpose(1, 2) if self.over_batch else self.norm(x)


def cell(spec: Spec, width: int, units: int) -> nn.RNNBase:
    """One recurrent layer. LSTM and GRU have fixed gate functions; a plain cell uses tanh or ReLU."""
    plan = spec.model
    if plan.cell != "rnn":
        return (nn.LSTM if plan.cell == "lstm" else nn.GRU)(width, units, batch_first=True)
    if plan.activation not in ("tanh", "relu"):
        raise TuimonError(f"model.activation = {plan.activation!r}: a plain recurrent cell takes tanh or relu")
    return nn.RNN(width, units, nonlinearity=plan.activation, batch_first=True)
