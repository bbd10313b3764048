"""Small GPT-style transformer: blocks of causal self-attention and a two-layer perceptron, each with a residual connection.

For text it predicts the next character at each position; it reads an image row by row, with one output after the last row. The
entries of `hidden` are the widths of the blocks, all equal and divisible by the number of heads. Layers are named embed,
position, block1, block2, … (attention.qkv, attention.project, fc1, fc2) and out.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from tuimon.base.errors import TuimonError
from tuimon.spec.spec import Spec
from tuimon.training.parts import activation
from tuimon.training.parts.sequences import rows, rows_shape


def build(spec: Spec) -> nn.Module:
    """Text: [B, T] → [B, T, outputs]; anything else: [B, *input_shape] → [B, outputs]."""
    widths = set(spec.model.hidden)
    if len(widths) != 1 or min(widths) % spec.model.heads:
        wanted = f"one or more blocks of the same width, which model.heads = {spec.model.heads} divides"
        raise TuimonError(f"model.hidden = {list(spec.model.hidden)}: a transformer needs {wanted}")
    return Transformer(spec)


class Transformer(nn.Module):
    """Embedding and position, the blocks, a final normalization, and one linear layer."""

    def __init__(self, spec: Spec) -> None:
        super().__init__()
        plan, width = spec.model, spec.model.hidden[0]
        self.is_text = spec.data.known.task == "text"
        positions, features = rows_shape(spec.data.input_shape)
        self.embed = nn.Embedding(spec.data.outputs, width) if self.is_text else nn.Linear(features, width)
        self.position = nn.Embedding(positions, width)
        for embedding in self.modules():
            if isinstance(embedding, nn.Embedding):
                nn.init.normal_(embedding.weight, std=0.02)
        self.drop = nn.Dropout(plan.dropout)
        self.blocks = nn.Sequential()
        for number in range(1, len(plan.hidden) + 1):
            self.blocks.add_module(f"block{number}", Block(spec, width))
        self.norm = nn.LayerNorm(width)
        self.out = nn.Linear(width, spec.data.outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs at every position for text, else after the last: [B, T, outputs] or [B, outputs]."""
        x = self.embed(x if self.is_text else rows(x))
        x = self.drop(x + self.position(torch.arange(x.shape[1], device=x.device)))
        x = self.norm(self.blocks(x))
        out: Tensor = self.out(x if self.is_text else x[:, -1])
        return out


class Block(nn.Module):
    """Attention, then a perceptron four times as wide, each with pre-normalization and a residual connection."""

    def __init__(self, spec: Spec, width: int) -> None:
        super().__init__()
        plan = spec.model
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, plan.heads)
        self.norm2 = nn.LayerNorm(width)
        self.fc1 = nn.Linear(width, 4 * width)
        self.act = activation(plan.activation, plan.slope)
        self.fc2 = nn.Linear(4 * width, width)
        self.drop = nn.Dropout(plan.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, width] → the same shape."""
        x = x + self.drop(self.attention(self.norm1(x)))
        return x + self.drop(self.fc2(self.act(self.fc1(self.norm2(x)))))


class Attention(nn.Module):
    """Causal multi-head self-attention: each position attends to itself and those before it."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, width] → the same shape."""
        batch, length, width = x.shape
        query, key, value = self.qkv(x).view(batch, length, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        seen = functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        mixed: Tensor = self.project(seen.transpose(1, 2).reshape(batch, length, width))
        return mixed
