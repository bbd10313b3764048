"""Spec: everything that defines a run, as one typed, frozen struct.

Knows no torch: the trainer builds what a name such as `adam` stands for. Called from any process and thread.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from tuimon.base.errors import TuimonError
from tuimon.spec.data import DataSpec, TransferSpec
from tuimon.spec.presets import DEFAULT_PRESET, model_names
from tuimon.spec.sections import (
    ActivationName,
    InitSpec,
    LossSpec,
    NormName,
    OptimizerSpec,
    OutputName,
    RegularizationSpec,
    ScheduleSpec,
    TrainingSpec,
)


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The model to train: one of the files in models/, or the user's own."""

    name: Annotated[
        str,
        Meta(
            description="the model: a name, or the path of your own .py file with build(spec)",
            extra={"choices": model_names, "other": r".+\.py", "other_text": "the path of a .py file"},
        ),
    ] = "mlp"
    hidden: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_536)], ...], Meta(description="widths of the hidden layers (channels of a CNN)")
    ] = (128, 128)
    activation: Annotated[ActivationName, Meta(description="activation function of the hidden layers")] = "relu"
    slope: Annotated[float, Meta(ge=0, le=1, description="negative slope of leaky_relu")] = 0.01
    norm: Annotated[NormName, Meta(description="normalization between a hidden layer and its activation (mlp, cnn)")] = "none"
    groups: Annotated[int, Meta(ge=1, le=65_536, description="number of groups of units for norm=group")] = 4
    residual: Annotated[
        bool, Meta(description="residual connections: add each hidden layer's input to its output (mlp, cnn)")
    ] = False
    output: Annotated[OutputName, Meta(description="function after the last layer (mlp, cnn); losses expect linear")] = "linear"
    dropout: Annotated[
        float, Meta(ge=0, lt=1, description="probability of dropping each output of a hidden layer in training")
    ] = 0.0
    cell: Annotated[Literal["rnn", "lstm", "gru"], Meta(description="type of the recurrent layers (rnn)")] = "lstm"
    heads: Annotated[int, Meta(ge=1, le=1024, description="attention heads per block (transformer)")] = 4
    options: Annotated[dict[str, Any], Meta(description="anything that your own model's build(spec) reads")] = {}


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that defines a run."""

    title: Annotated[str, Meta(description="one line, shown in lists")] = ""
    group: Annotated[str, Meta(description="group in the list of presets")] = ""
    text: Annotated[tuple[str, ...], Meta(description="what to watch, and what to try")] = ()
    preset: Annotated[
        str, Meta(description="the preset or file that this spec comes from; a file that names a preset starts from its values")
    ] = ""
    data: DataSpec = DataSpec()
    model: ModelSpec = ModelSpec()
    optimizer: OptimizerSpec = OptimizerSpec()
    schedule: ScheduleSpec = ScheduleSpec()
    init: InitSpec = InitSpec()
    loss: LossSpec = LossSpec()
    regularization: RegularizationSpec = RegularizationSpec()
    training: TrainingSpec = TrainingSpec()
    transfer: TransferSpec = TransferSpec()

    @property
    def name(self) -> str:
        """A short name for runs of this spec: `digits-mlp`."""
        return Path(self.preset or DEFAULT_PRESET).stem

    def to_dict(self) -> dict[str, Any]:
        """Returns plain dicts, lists, strings and numbers; `parse_spec` reads them back.

        Raises:
            TuimonError: a text or a path is not valid Unicode, which can happen with bytes from a command line.
        """
        try:
            plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        except UnicodeEncodeError as error:
            raise TuimonError(f"{error.object!r}: texts and paths in a spec must be valid UTF-8") from error
        return plain

    def to_toml(self) -> str:
        """Returns the whole spec as TOML, with all defaults written out; `load_spec` reads it back."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())
