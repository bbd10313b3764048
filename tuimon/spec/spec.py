"""Spec: all that defines a run, as one typed, frozen description.

Knows no torch: what a name such as `adam` builds is the trainer's business. Called from any process and thread.
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

SPEC_FILE = "spec.toml"  # in a run's folder


class ModelSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What learns: one of the files in models/, or a user's own."""

    name: Annotated[
        str,
        Meta(
            description="the model: a name, or the path of your own file with build(spec)",
            extra={"choices": model_names, "other": r".+\.py", "other_text": "the path of a .py file"},
        ),
    ] = "mlp"
    hidden: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=65_536)], ...], Meta(description="widths of the hidden layers (channels in a CNN)")
    ] = (128, 128)
    activation: Annotated[ActivationName, Meta(description="after each hidden layer")] = "relu"
    slope: Annotated[float, Meta(ge=0, le=1, description="below zero, of leaky_relu")] = 0.01
    norm: Annotated[NormName, Meta(description="between a hidden layer and its activation, of mlp and cnn")] = "none"
    groups: Annotated[int, Meta(ge=1, le=65_536, description="groups of units that norm=group normalizes together")] = 4
    residual: Annotated[bool, Meta(description="each hidden layer is added to what goes into it, of mlp and cnn")] = False
    output: Annotated[OutputName, Meta(description="after the last layer, of mlp and cnn; losses expect linear")] = "linear"
    dropout: Annotated[float, Meta(ge=0, lt=1, description="share of a hidden layer's outputs dropped in training")] = 0.0
    cell: Annotated[Literal["rnn", "lstm", "gru"], Meta(description="of rnn: what a recurrent layer is made of")] = "lstm"
    heads: Annotated[int, Meta(ge=1, le=1024, description="of transformer: attention heads a block")] = 4
    options: Annotated[dict[str, Any], Meta(description="anything your own model's build(spec) reads")] = {}


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All that defines a run."""

    title: Annotated[str, Meta(description="one line, for lists")] = ""
    group: Annotated[str, Meta(description="what it is listed under")] = ""
    text: Annotated[tuple[str, ...], Meta(description="what to watch, and what to try")] = ()
    preset: Annotated[str, Meta(description="what it was made from; a file that names a preset begins with its values")] = ""
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
        """A short name for runs made from it: `digits-mlp`."""
        return Path(self.preset or DEFAULT_PRESET).stem

    def to_dict(self) -> dict[str, Any]:
        """Plain dicts, lists, strings and numbers; `parse_spec` reads them back.

        Raises:
            TuimonError: a text or a path in it is not Unicode, as bytes on a command line may be.
        """
        try:
            plain: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self))
        except UnicodeEncodeError as error:
            raise TuimonError(f"{error.object!r}: a text or a path of a spec must be UTF-8") from error
        return plain

    def to_toml(self) -> str:
        """The whole description, every default written out; `load_spec` reads it back."""
        import tomli_w

        return tomli_w.dumps(self.to_dict())
